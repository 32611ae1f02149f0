"""Reads and writes files by path. All code of this project goes through these functions.

A path with a scheme (`gs://…`) is remote, and read by TensorFlow; any other path is local.
TensorFlow takes seconds to import, so TensorFlow is imported only for remote paths.

`etils.epath` is not used: it rejects schemes that TensorFlow reads (`ram://` in tests), rounds
modification times to seconds, omits files whose names end in `~` from listings, and does not
translate most errors of TensorFlow.
"""

import glob
import os
import posixpath
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_ISDIR
from typing import IO, Any, NamedTuple

from data.errors import InputError, MissingFileError, UnavailableError, one_line

THREADS = 16
"""Number of files to read in parallel; reading a remote file is mostly waiting."""
_GCS = "gs://"
_GCS_URL = "https://www.googleapis.com/storage/v1/b"  # the address that TensorFlow uses
_GCS_TIMEOUT = 10  # in seconds
_DESKTOP_FILES = frozenset({"Thumbs.db", "desktop.ini"})


class FileState(NamedTuple):
    """Properties of a file that change when its content changes.

    Attributes:
      size: Size in bytes.
      modified: Time of the last change of the content, in nanoseconds since 1970. Tools that copy
        files may set this to the time of the original.
      changed: Time of the last change of the content, the name or the permissions, in nanoseconds
        since 1970. Only the file system sets this time. For a remote file, the same as `modified`.
    """

    size: int
    modified: int
    changed: int


def is_remote(path: str) -> bool:
    """Returns whether a path is remote, that is, has a scheme such as `gs://`."""
    return "://" in path


def join(folder: str, name: str) -> str:
    """Joins the path of a folder and a relative path; `.` gives the folder itself.

    Args:
      folder: Path of the folder, local or remote.
      name: Relative path with forward slashes; `..` is resolved as text, without following links.
    """
    scheme, separator, path = folder.rpartition("://")
    joined = posixpath.normpath(posixpath.join(path, name))
    return scheme + separator + joined


def relative_path(path: str, folder: str) -> str | None:
    """Returns a path relative to a folder, without following links; None if it is outside."""
    scheme, _, path = path.rpartition("://")
    folder_scheme, _, folder = folder.rpartition("://")
    relative = posixpath.relpath(path, folder)
    outside = scheme != folder_scheme or relative.split("/")[0] == ".."
    return None if outside else relative


def is_file(path: str) -> bool:
    """Returns whether a file exists at the path."""
    if not is_remote(path):
        return Path(path).is_file()
    return _is_remote_folder(path) is False


def is_folder(path: str) -> bool:
    """Returns whether a folder exists at the path."""
    if not is_remote(path):
        return Path(path).is_dir()
    return _is_remote_folder(path) is True


def file_state(path: str) -> FileState:
    """Returns the size and the times of a file, without reading the content.

    Args:
      path: Path of the file, local or remote.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file is not accessible.
    """
    if is_remote(path):
        with _remote(path) as gfile:
            remote_stat = gfile.stat(path)
        return FileState(remote_stat.length, remote_stat.mtime_nsec, remote_stat.mtime_nsec)
    with _local(path):
        stat = Path(path).stat()
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def folder_state(folder: str) -> FileState:
    """Returns the total size of the files in a folder and its sub-folders, and the newest times.

    Args:
      folder: Path of the folder, local or remote. In a local one, hidden files count, too.

    Raises:
      MissingFileError: The folder does not exist.
      InputError: The folder cannot be read.
    """
    if is_remote(folder):
        with ThreadPoolExecutor(THREADS) as pool:
            states = list(pool.map(file_state, (join(folder, f) for f in list_files(folder))))
    else:
        with _local(folder):
            stats = [path.lstat() for path in (Path(folder), *Path(folder).rglob("*"))]
        states = [
            FileState(
                0 if S_ISDIR(stat.st_mode) else stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
            )
            for stat in stats
        ]
    return FileState(
        sum(state.size for state in states),
        max((state.modified for state in states), default=0),
        max((state.changed for state in states), default=0),
    )


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The file's content.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    if not is_remote(path):
        with _local(path):
            return Path(path).read_bytes()
    with _remote_file(path) as file:
        return bytes(file.read())


def read_text(path: str) -> str:
    """Reads a whole text file in UTF-8, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The text, with its line ends unchanged.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or the text is not in UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8.") from error


def read_lines(path: str) -> Iterator[bytes]:
    """Reads a file line by line, so that a large file need not fit into memory.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines without their line ends.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    if not is_remote(path):
        with _local(path), Path(path).open("rb") as local_file:
            yield from (line.rstrip(b"\r\n") for line in local_file)
        return
    with _remote_file(path) as file:
        yield from (line.rstrip(b"\r\n") for line in file)


def list_folder(folder: str) -> list[str]:
    """Lists a folder, without hidden names and without files that desktops create (`Thumbs.db`).

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of files and folders, sorted.

    Raises:
      InputError: The folder does not exist or cannot be read.
    """
    return sorted(_entries(folder))


def list_folders(folder: str) -> list[str]:
    """Lists the names of the sub-folders in a folder, except hidden ones.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of the sub-folders, sorted; links to folders are among them.

    Raises:
      InputError: There is no such folder, or it cannot be read.
    """
    return sorted(name for name, entry_is_folder in _entries(folder).items() if entry_is_folder)


def list_files(folder: str) -> list[str]:
    """Lists the files in a folder and its sub-folders; links to folders are followed.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Relative paths with forward slashes, sorted; without hidden files and folders, and without
      files that desktops create.

    Raises:
      InputError: The folder does not exist, a folder cannot be read, or a link forms a cycle.
    """
    files: list[str] = []
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        here = join(folder, inner or ".")
        if not is_remote(here):
            _refuse_cycle(here)
        for name, entry_is_folder in _entries(here).items():
            (waiting if entry_is_folder else files).append(posixpath.join(inner, name))
    return sorted(files)


def find_files(pattern: str) -> list[str]:
    """Returns the paths that match a pattern, sorted.

    Args:
      pattern: Path with `*`, `?` or `[…]` in its parts, local or remote.

    Raises:
      InputError: The file system cannot be read.
    """
    if not is_remote(pattern):
        return sorted(glob.glob(pattern))  # noqa: PTH207, the pattern may be absolute
    with _remote(pattern) as gfile:
        return sorted(gfile.glob(pattern))


def make_folder(path: str) -> None:
    """Creates a folder and its parent folders if they do not exist.

    In Google Cloud Storage nothing is created: a folder exists there if it has files.

    Args:
      path: Path of the folder, local or remote.

    Raises:
      InputError: The folder cannot be created.
    """
    if is_remote(path):
        with _remote(path, "made") as gfile:
            _make_remote_folder(gfile, path)
        return
    with _local(path, "made"):
        Path(path).mkdir(parents=True, exist_ok=True)


def copy_file(source: str, target: str) -> None:
    """Copies a file, and creates the folder of the copy if it does not exist.

    Args:
      source: Path of the file, local or remote.
      target: Path of the copy, local or remote.

    Raises:
      InputError: The source cannot be read, or the target cannot be written.
    """
    if not (is_remote(source) or is_remote(target)):
        make_folder(posixpath.dirname(target) or ".")
        with _local(source, f"copied to {target}"):
            shutil.copyfile(source, target)
        return
    with _remote(source, f"copied to {target}") as gfile:
        if is_remote(target):
            _make_remote_folder(gfile, posixpath.dirname(target))
        else:
            make_folder(posixpath.dirname(target) or ".")
        gfile.copy(source, target, overwrite=True)


def copy_folder(source: str, target: str) -> None:
    """Copies the files of a folder and its sub-folders, except hidden ones, into another folder.

    Args:
      source: Path of the folder, local or remote.
      target: Path of the other folder, local or remote, which may exist already.

    Raises:
      InputError: The source cannot be read, or the target cannot be written.
    """
    for file in list_files(source):
        copy_file(join(source, file), join(target, file))


def remove_file(path: str) -> None:
    """Removes a file if it exists.

    Args:
      path: Path of the file, local or remote.

    Raises:
      InputError: The file cannot be removed.
    """
    if is_remote(path):
        with _remote(path, "removed") as gfile:
            if gfile.exists(path):
                gfile.remove(path)
        return
    with _local(path, "removed"):
        Path(path).unlink(missing_ok=True)


def remove_folder(path: str) -> None:
    """Removes a folder with all its content, if the folder exists.

    Args:
      path: Path of the folder, local or remote.

    Raises:
      InputError: The folder cannot be removed.
    """
    if is_remote(path):
        with _remote(path, "removed") as gfile:
            if gfile.exists(path):
                gfile.rmtree(path)
        return
    with _local(path, "removed"):
        if Path(path).exists():
            shutil.rmtree(path)


def write_text(path: str, text: str) -> None:
    """Writes a text file in UTF-8, which appears at its path only when complete.

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
    """Writes a file that appears at its path only when it is complete, replacing any older file.

    Args:
      path: Path of the file, local or remote.
      scratch: Folder on the same file system for the unfinished file, which gets a unique name
        there: several processes may then write to the same path at once, and a killed process
        leaves nothing beside the file. None to use the folder of the file, if only one process
        writes to the path.

    Yields:
      A binary file open for writing.

    Raises:
      InputError: The file cannot be written.
    """
    unfinished = f"{scratch}/{uuid.uuid4().hex}" if scratch else f"{path}.unfinished"
    if is_remote(path):
        # TensorFlow's files have no `writelines` and no `tell`, and they upload what they have when
        # an error ends the context.
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            _upload(file, path, unfinished)
        return
    with _local(path, "written"):
        for each in (path, unfinished):
            Path(each).parent.mkdir(parents=True, exist_ok=True)
        try:
            with Path(unfinished).open("wb") as file:
                yield file
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)


def _upload(file: IO[bytes], path: str, unfinished: str) -> None:
    # An object of Google Cloud Storage appears when its upload is complete.
    first = path if path.startswith(_GCS) else unfinished
    with _remote(path, "written") as gfile:
        for each in {path, first}:
            _make_remote_folder(gfile, posixpath.dirname(each))
        with gfile.GFile(first, "wb") as remote_file:
            remote_file.write(b"")  # creates the file, even if it is empty
            shutil.copyfileobj(file, remote_file)
        if first != path:
            gfile.rename(first, path, overwrite=True)


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Creates a local folder that appears at its path only when it is complete.

    Args:
      folder: Path of the folder to create, which is empty or does not exist.

    Yields:
      Path of a temporary folder to write to, which is renamed to `folder` at the end.

    Raises:
      InputError: The folder exists already and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder}: already exists and is not empty. Choose a different folder, or remove this "
            "one."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.chmod(0o755)  # mkdtemp's 0o700 would hide the files from other users
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _entries(folder: str) -> dict[str, bool]:
    """Returns the visible names in a folder, and for each name whether it is a folder."""
    if not is_folder(folder):
        raise MissingFileError(f"{folder}: no such folder.")
    if is_remote(folder):
        with _remote(folder) as gfile:
            names = gfile.listdir(folder)
        if folder.startswith(_GCS):  # TensorFlow marks folders with a slash there
            entries = {name.rstrip("/"): name.endswith("/") for name in names}
        else:
            entries = {name: is_folder(f"{folder}/{name}") for name in names}
    else:
        with _local(folder), os.scandir(folder) as scanned:
            entries = {entry.name: entry.is_dir() for entry in scanned}
    for name in entries:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(f"{folder}: the name {name!a} is not in UTF-8. Rename it.")
    return {
        name: entry_is_folder
        for name, entry_is_folder in entries.items()
        if not name.startswith(".") and name not in _DESKTOP_FILES
    }


def _refuse_cycle(folder: str) -> None:
    path = Path(folder)
    if path.is_symlink() and path.resolve() in path.parent.resolve().parents:
        raise InputError(f"{folder}: a link to a folder that contains it. Remove the link.")


@contextmanager
def _local(path: str, done: str = "read") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if done == "read" and isinstance(error, FileNotFoundError):
            raise MissingFileError(f"{path}: no such file. Restore it.") from error
        raise InputError(f"{path}: cannot be {done} ({error.strerror}).") from error


@contextmanager
def _remote(path: str, done: str = "read") -> Iterator[Any]:
    if path.startswith(_GCS):
        _refuse_silent_store()
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as error:
        if done == "read":
            raise MissingFileError(f"{path}: no such file. Restore it.") from error
        raise InputError(f"{path}: cannot be {done} ({_reason(error)}).") from error
    except tf.errors.PermissionDeniedError as error:
        raise InputError(
            f"{path}: cannot be {done} ({_reason(error)}). Check the permissions of the account "
            "whose credentials are used."
        ) from error
    except tf.errors.UnavailableError as error:
        raise UnavailableError(f"{path}: cannot be {done} ({_reason(error)}).") from error
    except tf.errors.OpError as error:
        raise InputError(f"{path}: cannot be {done} ({_reason(error)}).") from error


@contextmanager
def _remote_file(path: str) -> Iterator[Any]:
    """Opens a remote file for reading."""
    with _remote(path) as gfile:
        # In a bucket, TensorFlow reads a folder as an empty file, and a missing file as no lines.
        if gfile.stat(path).is_directory:
            raise InputError(f"{path}: cannot be read (Is a directory).")
        with gfile.GFile(path, "rb") as file:
            yield file


def _reason(error: Any) -> str:
    """Returns the message of a TensorFlow error, or the message of the store in it."""
    message = re.search(r'"message":\s*"([^"]+)"', error.message)
    return one_line(message[1] if message else error.message).rstrip(".")


@cache
def _refuse_silent_store() -> None:
    """Checks once in each process that Google Cloud Storage answers: TensorFlow tries for minutes.

    Raises:
      UnavailableError: It does not answer.
    """
    import httpx

    try:
        # Any answer will do, so the certificate is left to TensorFlow.
        httpx.head(_GCS_URL, timeout=_GCS_TIMEOUT, verify=False)  # noqa: S501
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"{_GCS_URL}: Google Cloud Storage does not answer ({one_line(error)}). Check the "
            "network and https_proxy."
        ) from error


def _is_remote_folder(path: str) -> bool | None:
    """Returns whether a remote path is a folder; None if there is neither a folder nor a file."""
    try:
        # `gfile.isdir` and `gfile.exists` would also return false without permission.
        with _remote(path) as gfile:
            return bool(gfile.stat(path).is_directory)
    except MissingFileError:
        return None


def _make_remote_folder(gfile: Any, path: str) -> None:
    # TensorFlow would write an empty object to a bucket, and never end without the bucket.
    if not path.startswith(_GCS):
        gfile.makedirs(path)
