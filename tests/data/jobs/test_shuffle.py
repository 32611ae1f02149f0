import functools
import os

import pytest

from data.jobs import shuffle
from data.jobs.processes import in_processes, in_this_process
from data.jobs.shuffle import (
    PARTITIONS,
    Output,
    RowWriter,
    Stage,
    hash_name,
    partition_of,
    read_groups,
    run_job,
)

NAMES = [f"name {number}" for number in range(1000)]


class Sum(int):
    """Result of a job: a number that is summed over all tasks."""

    def merged(self, other):
        return Sum(self + other)


def write(folder, names):
    """Writes a row for each name, and returns the positions of the rows."""
    writer = RowWriter(str(folder))
    for number, name in enumerate(names):
        writer.add(hash_name(name), [name, number])
    return writer.finish()


def read(rows):
    """Yields the groups of all partitions, in the order of their hashes."""
    for partition in range(PARTITIONS):
        segments = [segment for number, segment in rows if number == partition]
        for name_hash, group in read_groups(segments):
            assert partition_of(name_hash) == partition
            yield name_hash, list(group)


def test_rows_with_one_name_come_together_in_the_order_of_hashes(anywhere, monkeypatch):
    monkeypatch.setattr(shuffle, "_ROWS_A_FILE", 300)
    rows = [*write(anywhere, NAMES), *write(anywhere, NAMES[::2])]
    groups = list(read(rows))
    assert [name_hash for name_hash, _ in groups] == sorted(map(hash_name, NAMES))
    by_name = {rows[0][0]: sorted(number for _, number in rows) for _, rows in groups}
    expected = {name: [number] for number, name in enumerate(NAMES)}
    for number, name in enumerate(NAMES[::2]):
        expected[name] = sorted([*expected[name], number])
    assert by_name == expected
    assert len({segment.path for _, segment in rows}) == 4 + 2


def test_no_partition_is_much_larger_than_others(tmp_path):
    sizes = [0] * PARTITIONS
    for name in NAMES * 1:
        sizes[partition_of(hash_name(name))] += 1
    assert sum(sizes) == 1000
    assert max(sizes) < 30  # the mean is 8


@pytest.mark.parametrize("text", ["\ud800", "a\nb\r\0c", "é \u2028", '"\\'])
def test_any_text_survives(tmp_path, text):
    rows = write(tmp_path, [text])
    assert list(read(rows)) == [(hash_name(text), [[text, 0]])]


def test_partitions_follow_each_other():
    hashes = [f"{number:04x}{'0' * 12}" for number in range(0, 2**16, 37)]
    partitions = list(map(partition_of, hashes))
    assert partitions == sorted(partitions)
    assert set(partitions) == set(range(PARTITIONS))


# Worker processes import the modules of the functions that they call. They can import this module
# under its own name only from the working directory.


def write_numbers(numbers, folder):
    writer = RowWriter(folder)
    for number in numbers:
        writer.add(hash_name(str(number % 10)), [number])
    return Output(Sum(0), writer.finish())


def sum_groups(segments, folder):
    """Writes the sum of each group, with the same name for all sums."""
    writer = RowWriter(folder)
    for _, rows in read_groups(segments):
        writer.add(hash_name("sum"), [sum(number for (number,) in rows)])
    return Output(Sum(0), writer.finish())


def sum_all(segments, folder):
    del folder
    return Output(Sum(sum(number for _, rows in read_groups(segments) for (number,) in rows)))


@pytest.mark.parametrize("run_tasks", [in_this_process, in_processes])
def test_a_job_groups_rows_between_its_stages(tmp_path, run_tasks):
    stages = [Stage(write_numbers), Stage(sum_groups), Stage(sum_all)]
    tasks = [range(start, 1000, 4) for start in range(4)]
    run = functools.partial(run_job, run_tasks=run_tasks)
    assert run(stages, tasks, str(tmp_path), Sum(0)) == sum(range(1000))


def process_of(task, settings):
    del settings
    return Output(Sum(os.getpid() == task))


def test_a_stage_may_stay_in_the_process_of_the_job(tmp_path):
    for threads in (2, 0):
        stages = [Stage(process_of, threads)]
        result = run_job(stages, [os.getpid()] * 5, None, Sum(0), run_tasks=in_processes)
        assert result == (5 if threads else 0)
