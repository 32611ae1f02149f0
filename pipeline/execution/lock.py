"""One run at a time: a lock on the folder of all that a pipeline's runs make."""

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

_FILE = "lock"


class Holder(Strict):
    """Who holds a lock.

    Attributes:
      command: What it does: `unetfx run`.
      pid: Its process id.
      host: The machine, or the container, it runs on.
      since: Date and time, with the offset from UTC.
    """

    command: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        """Says it in words."""
        return f"{self.command}, process {self.pid} on {self.host}, since {self.since}"


class LockedError(UnetfxError):
    """Another process is at work."""


@contextmanager
def only_one(home: Path, command: str) -> Iterator[Holder | None]:
    """Keeps other processes out, on this machine and on others that lock through the same disk.

    The lock is the operating system's, and ends with the process, however it ends. The file is
    never removed: two processes could then hold a lock of that name each.

    Args:
      home: The folder; it is made if it is not there.
      command: What the holder does, for a person.

    Yields:
      The last holder if it died at its work; None if it ended as it should.

    Raises:
      LockedError: Another process holds the lock.
      InputError: The folder cannot be made, or its file system has no locks.
    """
    path = home / _FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    with file:
        try:
            # Unlike fcntl's other locks, this one stays when the process opens the file once more.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read(file) or "another process"
            raise LockedError(f"{home} is in use by {holder}. Wait until it is done.") from error
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}). Choose a workspace on a file system "
                "with locks: any local disk, or NFS."
            ) from error
        died = _read(file)
        file.truncate(0)
        file.write(_this_process(command).model_dump_json())
        file.flush()
        try:
            yield died
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
