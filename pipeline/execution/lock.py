"""A lock on a pipeline's folder, so that only one process at a time can run the pipeline."""

import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from data.config import Strict
from data.errors import InputError, UnetfxError
from pipeline.execution.console import unwritable

_FILE = "lock"


class Holder(Strict):
    """The process that holds a lock.

    Attributes:
      command: Command of the process, such as `unetfx run`.
      pid: ID of the process.
      host: Name of the machine or container on which the process runs.
      since: Date and time at which the process acquired the lock, with the offset from UTC.
    """

    command: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        """Returns a description of the process for an error message."""
        return f"{self.command}, process {self.pid} on {self.host}, since {self.since}"


class LockedError(UnetfxError):
    """Another process holds the pipeline's lock."""


@contextmanager
def only_one(home: Path, command: str) -> Iterator[Holder | None]:
    """Holds the lock on a pipeline's folder within the context.

    On NFS, the lock also excludes processes on other machines. The operating system releases the
    lock when the process ends or crashes. The lock file is never removed; otherwise, two processes
    could each lock a different file of the same name.

    Args:
      home: Folder of the pipeline, which is created if necessary.
      command: Command of this process, which other processes show in their error messages.

    Yields:
      The previous holder if it died while holding the lock; otherwise None.

    Raises:
      LockedError: Another process holds the lock.
      InputError: The folder cannot be created, or its file system does not support locks.
    """
    path = home / _FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            # `flock` is used instead of a POSIX record lock, because a process loses a record lock
            # as soon as it opens and closes the file a second time.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read(file) or "another process"
            raise LockedError(
                f"{home} is in use by {holder}. Wait until it has finished."
            ) from error
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}). Choose a workspace on a file system "
                "with locks: any local disk, or NFS."
            ) from error
        dead_holder = _read(file)
        try:
            file.truncate(0)
            # A buffer that cannot be written would fail again when the file is closed.
            os.write(file.fileno(), _this_process(command).model_dump_json().encode())
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            yield dead_holder
        finally:
            file.truncate(0)


def _read(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return Holder.model_validate_json(file.read())
    except ValueError:
        return None


def _this_process(command: str) -> Holder:
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return Holder(command=command, pid=os.getpid(), host=socket.gethostname(), since=now)
