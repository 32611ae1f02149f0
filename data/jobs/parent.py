"""Ends a helper process when the process that started it has ended, even if that one was killed."""

import os
import signal
import threading
import time

_SECONDS = 1.0  # pause between two checks


def end_with(parent: int) -> None:
    """Kills this process as soon as it is no longer a child of the given process.

    A thread compares the process ID of the parent once a second. `prctl(PR_SET_PDEATHSIG)` would
    not do, because it also kills the helper when only the thread that started it ends.

    Args:
      parent: ID of the process that started this one. The parent passes its own ID, since it may
        have been killed before this function is called.
    """
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
