"""Runs a function in several processes.

Decoding an image holds Python's global interpreter lock for part of the time, so threads alone do
not keep all cores busy.
"""

import importlib
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from loky import cpu_count, get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from data.errors import UnavailableError

_IDLE_SECONDS = 10  # an idle worker process ends after this time, which frees its memory

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Iterable[Any], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, in one process for each available core.

    Args:
      function: Function to call. Each process imports the function's module, so this import should
        be fast.
      tasks: Values of the function's first argument. Only some are taken in advance.
      *same: The function's other arguments, the same for all tasks.

    Yields:
      The results, in the order of the tasks.

    Raises:
      UnavailableError: One of the processes was killed.
      Exception: Any exception that the function raises.
    """
    running: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            running.append(start(function, task, *same))
            if len(running) >= most_running():
                yield result_of(running.popleft())
        while running:
            yield result_of(running.popleft())
    finally:
        # After an error, no other call may go on, since the caller removes its files.
        for call in running:
            call.cancel()
        wait(running)


def in_this_process(
    function: Callable[..., Result], tasks: Iterable[Any], *same: object
) -> Iterator[Result]:
    """Calls a function for each task in this process; otherwise like `in_processes`."""
    for task in tasks:
        yield function(task, *same)


def ahead(
    function: Callable[[Any], Result], tasks: Iterable[Any], threads: int
) -> Iterator[Result]:
    """Calls a function for each task in threads of this process, for work that is mostly waiting.

    Args:
      function: Function to call.
      tasks: The tasks. Only some are taken in advance.
      threads: Number of threads; 0 to call the function in this thread.

    Yields:
      The results, in the order of the tasks.

    Raises:
      Exception: Any exception that the function raises.
    """
    if not threads:
        yield from map(function, tasks)
        return
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in tasks:
            running.append(pool.submit(function, task))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def start(function: Callable[..., Result], *arguments: object) -> Future[Result]:
    """Starts a call of a function in one of the processes.

    Args:
      function: Function to call; see `in_processes`.
      *arguments: Arguments of the call.

    Returns:
      The call; `result_of` waits for its result.
    """
    return _executor().submit(function, *arguments)


def result_of(call: Future[Result]) -> Result:
    """Waits for a call from `start` and returns its result.

    Raises:
      UnavailableError: One of the processes was killed.
      Exception: Any exception that the function raises.
    """
    try:
        return call.result()
    except TerminatedWorkerError as error:
        raise UnavailableError(
            "a process that read images was killed, most likely because the memory was full. Lower "
            "data.max_pixels, or use a machine with more memory."
        ) from error


def most_running() -> int:
    """Returns how many calls to start before waiting: enough to keep all processes busy."""
    return 4 * cpu_count()


def start_processes(function: Callable[..., object]) -> None:
    """Starts worker processes early, so that they import modules before `in_processes` is called.

    Args:
      function: The function that `in_processes` will call.
    """
    for _ in range(cpu_count()):
        start(importlib.import_module, function.__module__)


def _executor() -> Any:
    return get_reusable_executor(cpu_count(), timeout=_IDLE_SECONDS, initializer=_begin)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
