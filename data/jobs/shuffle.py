"""Runs jobs in stages, and groups rows by name between the stages (a shuffle through files).

In each stage of a job, several processes work on tasks and write rows. Rows with the same name form
a group, and all groups of a partition are one task of the next stage. Between two stages, the rows
are in sorted files. Only the positions of the rows in these files, and the rows of the partitions
that tasks are reading, are in memory. The same stages can run on this machine (`run_job`) or as a
Beam job (`components/beam_job.py`).
"""

import bisect
import functools
import hashlib
import itertools
import json
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from typing_extensions import Self

from data.files.paths import join
from data.files.reading import read_range
from data.files.writing import new_file
from data.jobs.processes import ahead

PARTITIONS = 128
"""Number of partitions. The names are distributed evenly, except for chance."""
_ORDER_DIGITS = 16  # number of hexadecimal digits in the hash of a name
_ROWS_A_FILE = 2**15  # number of rows that a `RowWriter` collects before it writes a file

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # faster than `json.loads`


class Segment(NamedTuple):
    """Position of the rows of one partition in one file.

    Attributes:
      path: Path of the file, local or remote.
      start: Position of the first byte in the file.
      length: Number of bytes.
    """

    path: str
    start: int
    length: int


class Output(NamedTuple):
    """The output of one task.

    Attributes:
      result: Result of the task, which is merged with the results of all other tasks of the job.
      rows: Partition numbers and positions of the rows that the task wrote for the next stage.
    """

    result: Any
    rows: Sequence[tuple[int, Segment]] = ()


class Result(Protocol):
    """A result that can be merged with other results, in any order."""

    def merged(self, other: Self) -> Self:
        """Returns the combined result, which may be this object with `other` added."""


class Stage(NamedTuple):
    """One stage of a job.

    Attributes:
      run: Function that runs a task. Arguments: the task; the settings of the job. A task of the
        first stage is any value that can be pickled. A task of a later stage is a sequence of
        segments, which together contain all rows of one partition.
      threads: Number of threads that run tasks in the process of the job, for tasks that start
        worker processes themselves; 0 to run the tasks in worker processes.
    """

    run: Callable[[Any, Any], Output]
    threads: int = 0


def order_of(name: str) -> str:
    """Returns the hash by which rows are sorted: 16 hexadecimal digits of the name's SHA-256."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_ORDER_DIGITS]


def partition_of(order: str) -> int:
    """Returns the partition number for a hash (see `order_of`). The number grows with the hash."""
    return int(order[:4], 16) * PARTITIONS >> 16


class RowWriter:
    """Writes rows to files. In each file, the rows are sorted by the hashes of their names.

    The files have unique names, because a Beam runner may run a task twice.
    """

    def __init__(self, folder: str) -> None:
        """Initialises the writer.

        Args:
          folder: Folder for the files, local or remote.
        """
        self._folder = folder
        self._lines: list[bytes] = []
        self._rows: list[tuple[int, Segment]] = []

    def add(self, order: str, row: Sequence[Any]) -> None:
        """Adds a row.

        Args:
          order: Hash of the row's name (see `order_of`).
          row: Values of the row, all of which can be stored as JSON.
        """
        self._lines.append(f"{order}{_encode(row)}\n".encode())
        if len(self._lines) == _ROWS_A_FILE:
            self._write()

    def finish(self) -> list[tuple[int, Segment]]:
        """Writes the remaining rows, and returns the partition number and position of all rows."""
        if self._lines:
            self._write()
        return self._rows

    def _write(self) -> None:
        lines = sorted(self._lines)
        self._lines.clear()
        path = join(self._folder, uuid.uuid4().hex)
        with new_file(path) as file:
            place = first = 0
            for partition in range(PARTITIONS):
                end = bisect.bisect_left(lines, _start_of(partition + 1), first)
                if end > first:
                    content = zlib.compress(b"".join(lines[first:end]), 1)
                    file.write(content)
                    self._rows.append((partition, Segment(path, place, len(content))))
                    place += len(content)
                first = end


def read_groups(segments: Iterable[Segment]) -> Iterator[tuple[str, Iterator[Any]]]:
    """Reads all rows of a partition, grouped by the hashes of their names.

    Args:
      segments: Positions of the rows.

    Yields:
      Each hash, in ascending order, and an iterator of the rows with this hash, sorted by their
      JSON text. The rows must be read before the next group is requested.
    """
    parts = (zlib.decompress(read_range(*segment)) for segment in segments)
    lines = sorted(itertools.chain.from_iterable(part.splitlines() for part in parts))
    for order, group in itertools.groupby(lines, lambda line: line[:_ORDER_DIGITS]):
        yield order.decode(), (_decode(line.decode(), _ORDER_DIGITS)[0] for line in group)


MergedResult = TypeVar("MergedResult", bound=Result)


def run_job(
    stages: Sequence[Stage],
    tasks: Iterable[Any],
    settings: Any,
    empty: MergedResult,
    *,
    run_tasks: Callable[..., Iterable[Output]],
) -> MergedResult:
    """Runs a job on this machine.

    Args:
      stages: The stages of the job.
      tasks: Tasks of the first stage.
      settings: Settings of the job, which are the second argument of each stage's function.
      empty: The result of a job without tasks.
      run_tasks: Function that runs the tasks of a stage: `in_processes` or `in_this_process` from
        `data.jobs.processes`.

    Returns:
      The merged results of all tasks in all stages.
    """
    merged = empty
    for stage in stages:
        partitions: dict[int, list[Segment]] = defaultdict(list)
        outputs: Iterable[Output]
        if stage.threads:
            call = functools.partial(_call, stage, settings)
            outputs = ahead(call, tasks, stage.threads)
        else:
            outputs = run_tasks(stage.run, tasks, settings)
        for output in outputs:
            merged = merged.merged(output.result)
            for partition, segment in output.rows:
                partitions[partition].append(segment)
        tasks = list(partitions.values())
    return merged


def _call(stage: Stage, settings: Any, task: Any) -> Output:
    return stage.run(task, settings)


def _start_of(partition: int) -> bytes:
    """Returns the first digits of the smallest hash in a partition, or a text after all hashes."""
    return f"{partition * (2**16 // PARTITIONS):04x}".encode() if partition < PARTITIONS else b"g"
