"""Writes files and creates folders. New files appear at their paths only once they are complete."""

import contextlib
import fcntl
import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from data.errors import InputError
from data.files.file_systems import local_errors, open_gfile
from data.files.paths import is_in_bucket, is_remote

_UNFINISHED = ".unfinished-"  # part of the names of temporary folders


def make_folder(path: str) -> None:
    """Creates a folder and its parent folders if they do not exist.

    In Google Cloud Storage, nothing is created, because a folder exists there only while it
    contains files.

    Args:
      path: Path of the folder, local or remote.

    Raises:
      InputError: The folder cannot be created.
    """
    if is_remote(path):
        with open_gfile(path, "made") as gfile:
            _make_remote_folder(gfile, path)
        return
    with local_errors(path, "made"):
        Path(path).mkdir(parents=True, exist_ok=True)


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 text file that appears at its path only once it is complete.

    Args:
      path: Path of the file, local or remote.
      text: Content of the file.

    Raises:
      InputError: The file cannot be written.
    """
    with new_file(path) as file:
        file.write(text.encode())


@contextmanager
def new_file(path: str, scratch: str | None = None) -> Iterator[IO[bytes]]:
    """Opens a new file that appears at its path, replacing any old file, only once it is complete.

    Args:
      path: Path of the file, local or remote.
      scratch: Folder for the unfinished file, on the same file system as `path`. In this folder,
        the unfinished file has a unique name, so several processes may write to the same path at
        once, and a process that is killed leaves no unfinished file beside `path`. If None, the
        unfinished file is `<path>.unfinished`, so only one process at a time may write to the path.

    Yields:
      A binary file that is open for writing.

    Raises:
      InputError: The file cannot be written.
    """
    unfinished = f"{scratch}/{uuid.uuid4().hex}" if scratch else f"{path}.unfinished"
    if is_remote(path):
        # The content is written to a local file first. A TensorFlow file has no `writelines` and no
        # `tell`, and if an error ends its context, it uploads the incomplete content.
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            _upload(file, path, unfinished)
        return
    with local_errors(path, "written"):
        for each in (path, unfinished):
            Path(each).parent.mkdir(parents=True, exist_ok=True)
        try:
            # A link that somebody has put at this path must not be followed.
            Path(unfinished).unlink(missing_ok=True)
            with Path(unfinished).open("xb") as file:
                yield file
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)


class ExistingFolderError(InputError):
    """A folder to create exists already and is not empty."""


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Creates a local folder that appears at its path only once it is complete.

    Unfinished folders that a killed process has left beside the folder are removed.

    Args:
      folder: Path of the folder to create; an existing folder must be empty.

    Yields:
      Path of a temporary folder for the content, which is renamed to `folder` when the `with` block
      ends without an error.

    Raises:
      ExistingFolderError: The path exists already and is not an empty folder.
      InputError: The folder cannot be written.
    """
    _refuse_existing(folder)
    with local_errors(str(folder), "written"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        unfinished, lock = _lock_new_folder(folder)
    try:
        with local_errors(str(folder), "written"):
            yield unfinished
            unfinished.chmod(0o755)  # mkdtemp's mode, 0o700, denies access to other users
            try:
                unfinished.replace(folder)  # replaces an empty folder, too
            except OSError:
                _refuse_existing(folder)  # another process has just created it
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(lock)


def _refuse_existing(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExistingFolderError(
            f"{folder}: already exists and is not empty. Choose a different folder, or remove this "
            "one."
        )


def _lock_new_folder(folder: Path) -> tuple[Path, int]:
    """Creates a temporary folder, and locks it as long as the returned file descriptor is open."""
    while True:
        unfinished = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}{_UNFINISHED}", dir=folder.parent)
        )
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(unfinished, os.O_RDONLY)
            # Some network file systems cannot lock folders. Then nothing is removed there either.
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have removed the folder before it was locked.
            if unfinished.exists():
                return unfinished, lock
            os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    """Removes the temporary folders that no process has locked, because theirs was killed."""
    for folder in parent.glob(f".*{_UNFINISHED}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:  # another process has just removed it
            continue
        # The lock fails if the folder's process is alive, or if the file system has no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _upload(file: IO[bytes], path: str, unfinished: str) -> None:
    # An object in Google Cloud Storage appears only once its upload is complete, so it needs no
    # temporary name.
    first = path if is_in_bucket(path) else unfinished
    with open_gfile(path, "written") as gfile:
        for each in {path, first}:
            _make_remote_folder(gfile, posixpath.dirname(each))
        with gfile.GFile(first, "wb") as remote_file:
            remote_file.write(b"")  # creates the file even if the content is empty
            shutil.copyfileobj(file, remote_file)
        if first != path:
            gfile.rename(first, path, overwrite=True)


def _make_remote_folder(gfile: Any, path: str) -> None:
    # In a bucket, TensorFlow would write an empty object for the folder, and would never return if
    # the bucket did not exist.
    if not is_in_bucket(path):
        gfile.makedirs(path)
