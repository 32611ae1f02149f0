"""Runs a function in several processes.

Decoding an image holds Python's global interpreter lock for part of the time, so threads alone do
not keep all cores busy.
"""

import importlib
import itertools
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from loky import cpu_count, get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from data.errors import UnavailableError

_IDLE_SECONDS = 10  # an idle worker process ends after this time, which frees its memory

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Iterable[object], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, in one process for each available core.

    Args:
      function: Function to call. Each process imports the function's module, so this import should
        be fast.
      tasks: Values of the function's first argument.
      *same: The function's other arguments, the same for all tasks.

    Yields:
      The results, in the order of the tasks.

    Raises:
      UnavailableError: One of the processes was killed.
      Exception: Any exception that the function raises.
    """
    try:
        yield from _executor(function).map(function, tasks, *map(itertools.repeat, same))
    except TerminatedWorkerError as error:
        raise UnavailableError(
            "a process that read images was killed, most likely because the memory was full. Lower "
            "data.max_pixels, or use a machine with more memory."
        ) from error


def start_processes(function: Callable[..., object]) -> None:
    """Starts worker processes early, so that they import modules before `in_processes` is called.

    Args:
      function: The function that `in_processes` will call.
    """
    _executor(function).submit(int)


def _executor(function: Callable[..., object]) -> Any:
    return get_reusable_executor(
        cpu_count(), timeout=_IDLE_SECONDS, initializer=_begin, initargs=(function.__module__,)
    )


def _begin(module: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    importlib.import_module(module)
