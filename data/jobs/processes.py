"""Runs a function in several processes in parallel.

Image decoding holds Python's global interpreter lock for part of the time, so threads alone cannot
keep all cores busy.
"""

import contextlib
import importlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from loky import BrokenProcessPool, ProcessPoolExecutor, cpu_count, get_reusable_executor
from loky.backend import resource_tracker
from loky.process_executor import ShutdownExecutorError, TerminatedWorkerError

from data.errors import UnavailableError
from data.jobs.parent import end_with
from data.jobs.safe_path import SAFE_PATH, safe_path

_IDLE_SECONDS = 10  # idle worker processes end after this time, to free their memory

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], tasks: Iterable[Any], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, with one worker process per available core.

    Args:
      function: The function to call. Every worker process imports the function's module, so the
        import should be fast.
      tasks: Values for the first argument of the function, one for each call. Only a few tasks are
        taken before their results are needed.
      *same: The remaining arguments of the function, which are the same for all tasks.

    Yields:
      The results, in the order of the tasks.

    Raises:
      UnavailableError: A worker process was killed, most likely because the memory was full.
      Exception: Any exception that `function` raises.
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
        # After an error, no other call may still be running, because the caller will remove the
        # files that the calls use.
        for call in running:
            call.cancel()
        wait(running)


def in_this_process(
    function: Callable[..., Result], tasks: Iterable[Any], *same: object
) -> Iterator[Result]:
    """Calls a function for each task, like `in_processes`, but in this process."""
    for task in tasks:
        yield function(task, *same)


def ahead(
    function: Callable[[Any], Result], tasks: Iterable[Any], threads: int
) -> Iterator[Result]:
    """Calls a function for each task in parallel threads, for work that is mostly waiting.

    Args:
      function: The function to call.
      tasks: Arguments of the function, one for each call. Only a few tasks are taken before their
        results are needed.
      threads: Number of threads; 0 to call the function in the current thread.

    Yields:
      The results, in the order of the tasks.

    Raises:
      Exception: Any exception that `function` raises.
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
    """Starts a function call in a worker process.

    Args:
      function: The function to call. Every worker process imports the function's module, so the
        import should be fast.
      *arguments: Arguments of the function.

    Returns:
      The started call, for `result_of`.
    """
    return _workers.submit(function, *arguments)


def result_of(call: Future[Result]) -> Result:
    """Waits for a call that `start` has started, and returns the result of the call.

    Raises:
      UnavailableError: A worker process was killed, most likely because the memory was full.
      Exception: Any exception that the called function raises.
    """
    try:
        return call.result()
    except TerminatedWorkerError as error:
        raise UnavailableError(
            "a process that read images was killed, most likely because the memory was full. Lower "
            "data.max_pixels, or use a machine with more memory."
        ) from error


def most_running() -> int:
    """Returns the number of calls to have in progress, which keeps all worker processes busy."""
    return 4 * cpu_count()


def start_processes(function: Callable[..., object]) -> None:
    """Starts the worker processes early, so that they can import modules before the first task.

    Args:
      function: The function that will be passed to `in_processes`.
    """
    for _ in range(cpu_count()):
        start(importlib.import_module, function.__module__)


class _Workers:
    """Worker processes for all threads. loky itself starts processes for each thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        with self._lock:
            if self._executor is not None:
                # A process may have been killed, or the executor may have been shut down.
                with contextlib.suppress(BrokenProcessPool, ShutdownExecutorError):
                    return self._executor.submit(function, *arguments)
            self._executor = _new_executor()
            return self._executor.submit(function, *arguments)


def _new_executor() -> ProcessPoolExecutor:
    with safe_path():
        resource_tracker.ensure_running()
    return get_reusable_executor(
        cpu_count(),
        timeout=_IDLE_SECONDS,
        initializer=_begin,
        initargs=(os.getpid(),),
        env={SAFE_PATH: "1"},
    )


def _begin(parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C


_workers = _Workers()
