"""Runs a function in several processes in parallel.

Image decoding holds Python's global interpreter lock for part of the time, so threads alone cannot
keep all cores busy.
"""

import importlib
import itertools
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from loky import cpu_count, get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from data.errors import UnavailableError

_IDLE_SECONDS = 10  # idle worker processes end after this time, to free their memory

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Iterable[object], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, with one worker process per available core.

    Args:
      function: The function to call. Every worker process imports the function's module, so the
        import should be fast.
      tasks: Values for the first argument of the function, one for each call.
      *same: The remaining arguments of the function, which are the same for all tasks.

    Yields:
      The results, in the order of the tasks.

    Raises:
      UnavailableError: A worker process was killed, most likely because the memory was full.
      Exception: Any exception that `function` raises.
    """
    try:
        yield from _executor(function).map(function, tasks, *map(itertools.repeat, same))
    except TerminatedWorkerError as error:
        raise UnavailableError(
            "a process that read images was killed, most likely because the memory was full. Lower "
            "data.max_pixels, or use a machine with more memory."
        ) from error


def start_processes(function: Callable[..., object]) -> None:
    """Starts the worker processes early, so that they can import modules before the first task.

    Args:
      function: The function that will be passed to `in_processes`.
    """
    _executor(function).submit(int)


def _executor(function: Callable[..., object]) -> Any:
    return get_reusable_executor(
        cpu_count(), timeout=_IDLE_SECONDS, initializer=_begin, initargs=(function.__module__,)
    )


def _begin(module: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    importlib.import_module(module)
