"""Runs a command in a child process if it is the first process of a container."""

import os
import signal
import sys
from collections.abc import Callable

from pipeline.exit_codes import BAD_INPUT

_FIRST = 1
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def run_as_child_if_first(command: Callable[[], None]) -> None:
    """Runs a command; in the first process of a container, as a child of this process.

    The kernel ignores signals to the first process, unless the process handles them, and the
    engine would have to kill it. If the memory of the container is full, the kernel kills the
    command, and this process can say so.

    Args:
      command: The command. This function must be called before the command starts threads, and
        before long imports, during which the first process would ignore signals.
    """
    if os.getpid() == _FIRST:
        # Signals wait until the parent reads them, so none is lost while the child starts.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        child = os.fork()
        if child:
            sys.exit(_wait_for(child))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    command()


def _wait_for(child: int) -> int:
    """Forwards signals to a child until it ends, and returns the exit code for this process."""
    status = None
    while status is None:
        number = signal.sigwait(_SIGNALS)
        if number == signal.SIGCHLD:
            status = _status_if_ended(child)
        # A terminal sends Ctrl-C to the child, too.
        elif number != signal.SIGINT or not os.isatty(0):
            os.kill(child, number)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        from pipeline.execution.console import print_failure

        print_failure(
            "the command was killed, most likely because the memory of the container was full. "
            "Give the container more memory (--memory, or resources.limits.memory)."
        )
        return BAD_INPUT
    return code if code >= 0 else 128 - code


def _status_if_ended(child: int) -> int | None:
    """Returns the exit status of a child; None if it still runs."""
    while True:
        # The kernel makes the first process the parent of all orphans.
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == child:
            return status
        if not ended:
            return None
