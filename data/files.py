"""Reads, writes, lists and removes local and remote files.

A path with a scheme (`gs://…`) is remote and is accessed through TensorFlow; any other path is
local. Importing TensorFlow takes seconds, so it is imported only for remote paths.

The library `etils.epath` is not used, because it rejects some schemes that TensorFlow supports
(`ram://` in tests), rounds modification times to seconds, omits files whose names end in `~` from
listings, and does not convert most of TensorFlow's errors to Python's built-in exceptions.
"""

import glob
import io
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
"""Number of files read in parallel. It is high because remote reads spend most time waiting."""
_REMOTE_BUFFER = 2**20  # number of bytes to read at once from a remote file
_GCS = "gs://"
_GCS_URL = "https://www.googleapis.com/storage/v1/b"  # the address that TensorFlow uses
_GCS_TIMEOUT = 10  # in seconds
_DESKTOP_FILES = frozenset({"Thumbs.db", "desktop.ini"})


class FileState(NamedTuple):
    """Size and time stamps of a file, which show whether its content has changed.

    Attributes:
      size: Size in bytes.
      modified: Time of the last change to the content, in nanoseconds since 1970. Tools that copy
        files may set it to the time of the original file.
      changed: Time of the last change to the content, the name or the permissions, in nanoseconds
        since 1970; only the file system can set it. For a remote file, `changed` equals `modified`.
    """

    size: int
    modified: int
    changed: int


def is_remote(path: str) -> bool:
    """Returns whether a path is remote, that is, contains a scheme such as `gs://`."""
    return "://" in path


def join(folder: str, name: str) -> str:
    """Joins the path of a folder and a relative path.

    Args:
      folder: Path of the folder, local or remote.
      name: Relative path with forward slashes; `.` stands for the folder itself. Any `..` is
        resolved in the text of the path, without following symbolic links.
    """
    scheme, separator, path = folder.rpartition("://")
    joined = posixpath.normpath(posixpath.join(path, name))
    return scheme + separator + joined


def relative_path(path: str, folder: str) -> str | None:
    """Returns `path` relative to `folder`, or None if it is outside; links are not followed."""
    scheme, _, path = path.rpartition("://")
    folder_scheme, _, folder = folder.rpartition("://")
    relative = posixpath.relpath(path, folder)
    outside = scheme != folder_scheme or relative.split("/")[0] == ".."
    return None if outside else relative


def is_file(path: str) -> bool:
    """Returns whether the path exists and is a file."""
    if not is_remote(path):
        return Path(path).is_file()
    return _is_remote_folder(path) is False


def is_folder(path: str) -> bool:
    """Returns whether the path exists and is a folder."""
    if not is_remote(path):
        return Path(path).is_dir()
    return _is_remote_folder(path) is True


def file_state(path: str) -> FileState:
    """Returns the size and the time stamps of a file without reading its content.

    Args:
      path: Path of the file, local or remote.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be accessed.
    """
    if is_remote(path):
        with _remote(path) as gfile:
            remote_stat = gfile.stat(path)
        return FileState(remote_stat.length, remote_stat.mtime_nsec, remote_stat.mtime_nsec)
    try:
        stat = os.stat(path)  # noqa: PTH116, a Path would take longer than this
    except OSError as error:
        raise _local_error(path, "read", error) from error
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def folder_state(folder: str) -> FileState:
    """Returns the total size of all files in a folder, and the latest time stamps.

    Sub-folders are included. The time stamps of a local folder include those of its sub-folders.

    Args:
      folder: Path of the folder, local or remote. Hidden files are included only if it is local.

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
      The content of the file.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    if is_remote(path):
        with _remote_file(path) as file:
            return bytes(file.read())
    try:
        with open(path, "rb") as local_file:  # noqa: PTH123, creating a Path is slower
            return local_file.read()
    except OSError as error:
        raise _local_error(path, "read", error) from error


def read_text(path: str) -> str:
    """Reads a whole UTF-8 text file, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The text with its line endings unchanged, without the byte order mark.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or is not UTF-8 text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from error


def read_lines(path: str) -> Iterator[bytes]:
    """Reads a file line by line, so that even a file larger than the memory can be read.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines, as bytes, without their line endings.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    with _open(path) as file:
        yield from (line.rstrip(b"\r\n") for line in file)


def read_text_lines(path: str) -> Iterator[str]:
    """Reads a UTF-8 text file line by line, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines with their line endings: a line feed, a carriage return, or both.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or is not UTF-8 text.
    """
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        try:
            yield from text
        except UnicodeDecodeError as error:
            raise _not_text(path, error) from error


def read_range(path: str, start: int, length: int) -> bytes:
    """Reads a range of bytes from a file.

    Args:
      path: Path of the file, local or remote.
      start: Position of the first byte to read.
      length: Number of bytes to read.

    Returns:
      The bytes, which are fewer than `length` if the file ends earlier.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    with _open(path) as file:
        file.seek(start)
        return file.read(length)


def list_folder(folder: str) -> list[str]:
    """Lists the visible files and folders in a folder.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of the files and folders, sorted. Names that start with a dot, and files that file
      managers create (`Thumbs.db`, `desktop.ini`), are left out.

    Raises:
      InputError: The folder does not exist or cannot be read, or a name in it is not valid UTF-8.
    """
    return sorted(name for name, _ in _entries(folder))


def list_folders(folder: str) -> list[str]:
    """Lists the visible sub-folders of a folder.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of the sub-folders, including symbolic links to folders, sorted.

    Raises:
      InputError: The folder does not exist or cannot be read, or a name in it is not valid UTF-8.
    """
    return sorted(sub_folders(folder))


def sub_folders(folder: str) -> Iterator[str]:
    """Yields the names that `list_folders` returns, one at a time and in any order."""
    return (name for name, entry_is_folder in _entries(folder) if entry_is_folder)


def list_files(folder: str) -> list[str]:
    """Lists the files in a folder and all its sub-folders; symbolic links to folders are followed.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Paths relative to `folder`, with forward slashes, sorted. Hidden files and folders are left
      out, and so are files that file managers create (`Thumbs.db`).

    Raises:
      InputError: The folder does not exist, a folder cannot be read, a name is not valid UTF-8, or
        a symbolic link leads back to a folder that contains the link.
    """
    return sorted(posixpath.join(inner, name) for inner, name in walk(folder))


def walk(folder: str, start: str = "", *, deep: bool = True) -> Iterator[tuple[str, str]]:
    """Yields the files that `list_files` returns, one at a time.

    Args:
      folder: Path of the folder, local or remote.
      start: Relative path of a sub-folder, to which the search is limited; empty to search the
        whole folder.
      deep: Whether to search sub-folders, too.

    Yields:
      For each file, the relative path of the folder that contains the file (empty for `folder`
      itself), and the name of the file. All files in the same folder follow each other.

    Raises:
      InputError: The folder does not exist, a folder cannot be read, a name is not valid UTF-8, or
        a symbolic link leads back to a folder that contains the link.
    """
    waiting = [start]
    while waiting:
        inner = waiting.pop()
        here = join(folder, inner or ".")
        if not is_remote(here):
            _refuse_cycle(here)
        for name, entry_is_folder in _entries(here):
            if not entry_is_folder:
                yield inner, name
            elif deep:
                waiting.append(posixpath.join(inner, name))


def find_files(pattern: str) -> list[str]:
    """Returns the paths that match a pattern, in sorted order.

    Args:
      pattern: Local or remote path with the wildcards `*`, `?` or `[…]`.

    Raises:
      InputError: A remote file system cannot be read.
    """
    if not is_remote(pattern):
        return sorted(glob.glob(pattern))  # noqa: PTH207, Path.glob rejects absolute patterns
    with _remote(pattern) as gfile:
        return sorted(gfile.glob(pattern))


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
        with _remote(path, "made") as gfile:
            _make_remote_folder(gfile, path)
        return
    with _local(path, "made"):
        Path(path).mkdir(parents=True, exist_ok=True)


def copy_file(source: str, target: str) -> None:
    """Copies a file. Any file at `target` is replaced, and its folder is created if necessary.

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
    """Copies all files in a folder and its sub-folders, except hidden files.

    Args:
      source: Path of the folder to copy, local or remote.
      target: Path of the folder for the copies, local or remote. The folder may exist already.

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
    """Removes a folder and everything in it, if the folder exists.

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
    # An object in Google Cloud Storage appears only once its upload is complete, so it needs no
    # temporary name.
    first = path if path.startswith(_GCS) else unfinished
    with _remote(path, "written") as gfile:
        for each in {path, first}:
            _make_remote_folder(gfile, posixpath.dirname(each))
        with gfile.GFile(first, "wb") as remote_file:
            remote_file.write(b"")  # creates the file even if the content is empty
            shutil.copyfileobj(file, remote_file)
        if first != path:
            gfile.rename(first, path, overwrite=True)


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Creates a local folder that appears at its path only once it is complete.

    Args:
      folder: Path of the folder to create; an existing folder must be empty.

    Yields:
      Path of a temporary folder for the content, which is renamed to `folder` when the `with` block
      ends without an error.

    Raises:
      InputError: The path exists already and is not an empty folder.
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
        unfinished.chmod(0o755)  # mkdtemp's mode, 0o700, denies access to other users
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _open(path: str) -> Iterator[io.BufferedReader]:
    """Opens a file for reading, local or remote."""
    if not is_remote(path):
        with _local(path), Path(path).open("rb") as file:
            yield file
        return
    with _remote_file(path) as remote_file:
        yield io.BufferedReader(_Raw(remote_file), _REMOTE_BUFFER)


class _Raw(io.RawIOBase):
    """Adapts a TensorFlow file object to Python's interface for unbuffered binary files."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _not_text(path: str, error: UnicodeDecodeError) -> InputError:
    return InputError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8.")


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Yields the name of each visible file and sub-folder, and whether it is a sub-folder."""
    if not is_folder(folder):
        raise MissingFileError(f"{folder}: no such folder.")
    for name, entry_is_folder in _all_entries(folder):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder}: the name {name!a} is not in UTF-8. Rename it.") from error
        if not name.startswith(".") and name not in _DESKTOP_FILES:
            yield name, entry_is_folder


def _all_entries(folder: str) -> Iterator[tuple[str, bool]]:
    if not is_remote(folder):
        with _local(folder), os.scandir(folder) as scanned:
            yield from ((entry.name, entry.is_dir()) for entry in scanned)
        return
    with _remote(folder) as gfile:
        listed = gfile.listdir(folder)
    if folder.startswith(_GCS):  # there, TensorFlow appends a slash to the names of folders
        yield from {name.rstrip("/"): name.endswith("/") for name in listed}.items()
        return
    names = [name.rstrip("/") for name in listed]
    with ThreadPoolExecutor(THREADS) as pool:
        are_folders = pool.map(is_folder, (f"{folder}/{name}" for name in names))
        yield from zip(names, are_folders, strict=True)


def _refuse_cycle(folder: str) -> None:
    path = Path(folder)
    if path.is_symlink() and path.resolve() in path.parent.resolve().parents:
        raise InputError(f"{folder}: a link to a folder that contains it. Remove the link.")


@contextmanager
def _local(path: str, done: str = "read") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _local_error(path, done, error) from error


def _local_error(path: str, done: str, error: OSError) -> InputError:
    if done == "read" and isinstance(error, FileNotFoundError):
        return MissingFileError(f"{path}: no such file. Restore it.")
    return InputError(f"{path}: cannot be {done} ({error.strerror}).")


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
        # In a bucket, TensorFlow reads a folder as an empty file, and a missing file as a file
        # without lines. `stat` raises an error if the file is missing.
        if gfile.stat(path).is_directory:
            raise InputError(f"{path}: cannot be read (Is a directory).")
        with gfile.GFile(path, "rb") as file:
            yield file


def _reason(error: Any) -> str:
    """Returns the message of a TensorFlow error, or the store's own message if it contains one."""
    message = re.search(r'"message":\s*"([^"]+)"', error.message)
    return one_line(message[1] if message else error.message).rstrip(".")


@cache
def _refuse_silent_store() -> None:
    """Checks, once in each process, that Google Cloud Storage responds.

    Without this check, TensorFlow would retry for minutes.

    Raises:
      UnavailableError: Google Cloud Storage does not respond.
    """
    import httpx

    try:
        # Any response is sufficient. TensorFlow verifies the certificate when it connects.
        httpx.head(_GCS_URL, timeout=_GCS_TIMEOUT, verify=False)  # noqa: S501
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"{_GCS_URL}: Google Cloud Storage does not answer ({one_line(error)}). Check the "
            "network and https_proxy."
        ) from error


def _is_remote_folder(path: str) -> bool | None:
    """Returns whether a remote path is a folder; None if the path does not exist."""
    try:
        # `gfile.isdir` and `gfile.exists` are not used, because they also return False if access is
        # denied.
        with _remote(path) as gfile:
            return bool(gfile.stat(path).is_directory)
    except MissingFileError:
        return None


def _make_remote_folder(gfile: Any, path: str) -> None:
    # In a bucket, TensorFlow would write an empty object for the folder, and would never return if
    # the bucket did not exist.
    if not path.startswith(_GCS):
        gfile.makedirs(path)
