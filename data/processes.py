"""Work shared out among processes.

Decoding an image holds Python's interpreter for part of its time, so threads alone do not keep the
cores busy.
"""

import importlib
import itertools
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from loky import cpu_count, get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from data.errors import UnavailableError

_IDLE_SECONDS = 10  # after which a process ends and gives its memory back

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Iterable[object], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, in as many processes as there are cores for this one.

    Args:
      function: One of a module that loads fast, since each process loads it anew.
      tasks: What it takes as its first argument, one by one.
      *same: Its other arguments.

    Yields:
      What it returns, in the order of the tasks.

    Raises:
      UnavailableError: One of the processes was killed.
      Exception: What the function raised.
    """
    try:
        yield from _executor(function).map(function, tasks, *map(itertools.repeat, same))
    except TerminatedWorkerError as error:
        raise UnavailableError(
            "a process that read images was killed, most often for want of memory. Lower "
            "data.max_pixels, or take a machine with more memory."
        ) from error


def start_processes(function: Callable[..., object]) -> None:
    """Starts the processes of `in_processes`, so that they load while something else is done.

    Args:
      function: The one that they will call.
    """
    _executor(function).submit(int)


def _executor(function: Callable[..., object]) -> Any:
    return get_reusable_executor(
        cpu_count(), timeout=_IDLE_SECONDS, initializer=_begin, initargs=(function.__module__,)
    )


def _begin(module: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this
    importlib.import_module(module)
