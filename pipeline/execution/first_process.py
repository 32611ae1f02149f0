"""Runs a command in a child process if it is the first process of a container."""

import os
import signal
import sys
from collections.abc import Callable

from pipeline.exit_codes import BAD_INPUT

_FIRST = 1


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
        child = os.fork()
        if child:
            sys.exit(_wait_for(child))
    command()


def _wait_for(child: int) -> int:
    """Waits for the end of a child, and returns the exit code for this process."""

    def forward(number: int, _: object) -> None:
        os.kill(child, number)

    signal.signal(signal.SIGTERM, forward)
    # A terminal sends Ctrl-C to the child, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.isatty(0) else forward)
    ended = None
    while ended != child:  # the kernel gives the first process all orphans
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        from pipeline.execution.console import print_failure

        print_failure(
            "the command was killed, most likely because the memory of the container was full. "
            "Give the container more memory (--memory, or resources.limits.memory)."
        )
        return BAD_INPUT
    return code if code >= 0 else 128 - code
