import os
import signal
import subprocess
import sys
import time

import pytest
from loky import cpu_count

from data.errors import UnavailableError
from data.jobs.processes import ahead, in_processes, most_running, start_processes

# Functions for other processes must be in modules that these can import.


def test_results_come_in_the_order_of_the_tasks():
    start_processes(pow)
    assert list(in_processes(pow, range(100), 2)) == [number**2 for number in range(100)]


def test_what_the_function_raises_arrives():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(pow, [2, 0], -1))


def test_after_an_error_nothing_goes_on(tmp_path):
    slow = "__import__('time').sleep(0.3) or open({!r}, 'w').close()"
    tasks = [slow.format(str(tmp_path / f"{number}")) for number in range(30)]
    with pytest.raises(ZeroDivisionError):
        list(in_processes(eval, [tasks[0], "1 / 0", *tasks[1:]]))
    written = set(tmp_path.iterdir())
    assert len(written) < 10
    time.sleep(1)
    assert set(tmp_path.iterdir()) == written


def test_tasks_are_taken_little_by_little():
    taken = []
    results = in_processes(pow, (taken.append(n) or n for n in range(1000)), 2)
    assert next(results) == 0
    assert len(taken) == most_running()
    assert sum(results) == sum(n**2 for n in range(1000))


@pytest.mark.parametrize("threads", [0, 4])
def test_threads_give_the_results_in_order(threads):
    def wait_and_return(number):
        time.sleep(0.02 * (number % 3))
        return number

    assert list(ahead(wait_and_return, range(20), threads)) == list(range(20))
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda number: 1 / number, [2, 0, 1], threads))


def test_the_work_is_done_elsewhere():
    assert os.getpid() not in list(in_processes(eval, ["__import__('os').getpid()"] * 8))


def test_all_threads_use_the_same_processes():
    def processes(_):
        return set(in_processes(eval, ["__import__('os').getpid()"] * 20))

    assert len(set().union(processes(0), *ahead(processes, range(4), threads=2))) <= cpu_count()


def test_a_killed_process_gives_a_one_line_error_and_the_next_call_works():
    with pytest.raises(UnavailableError) as caught:
        list(
            in_processes(
                eval, [f"__import__('os').kill(__import__('os').getpid(), {signal.SIGKILL:d})"]
            )
        )
    assert "was killed, most likely because the memory was full" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(in_processes(pow, [3], 2)) == [9]


def test_a_process_that_reads_images_loads_no_tensorflow():
    code = "import data.examples.shards, sys; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
