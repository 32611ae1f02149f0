"""Reads and writes files by path. All code of this project goes through these functions.

A path with a scheme (`gs://…`) is remote, and read by TensorFlow; any other path is local.
TensorFlow takes seconds to import, so TensorFlow is imported only for remote paths.

`etils.epath` is not used: it rejects schemes that TensorFlow reads (`hdfs://`, and `ram://` in
tests), rounds modification times to seconds, omits files whose names end in `~` from listings, and
does not translate most errors of TensorFlow.
"""

import glob
import io
import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from data.errors import InputError, MissingFileError, one_line

THREADS = 16
"""Number of files to read in parallel; reading a remote file is mostly waiting."""
_REMOTE_BUFFER = 2**20  # bytes that are read at once from a remote file
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
    with _remote(path) as gfile:
        return gfile.exists(path) and not gfile.isdir(path)


def is_folder(path: str) -> bool:
    """Returns whether a folder exists at the path."""
    if not is_remote(path):
        return Path(path).is_dir()
    with _remote(path) as gfile:
        return gfile.isdir(path)


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
    try:
        stat = os.stat(path)  # noqa: PTH116, a Path would take longer than this
    except OSError as error:
        raise _local_error(path, "read", error) from error
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


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
    if is_remote(path):
        with _remote(path) as gfile, gfile.GFile(path, "rb") as file:
            return bytes(file.read())
    try:
        with open(path, "rb") as local_file:  # noqa: PTH123, a Path would take longer than this
            return local_file.read()
    except OSError as error:
        raise _local_error(path, "read", error) from error


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
        raise _not_text(path, error) from error


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
    with _open(path) as file:
        yield from (line.rstrip(b"\r\n") for line in file)


def read_text_lines(path: str) -> Iterator[str]:
    """Reads a text file in UTF-8 line by line, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines with their line ends: a line feed, a carriage return, or both.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or the text is not in UTF-8.
    """
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        try:
            yield from text
        except UnicodeDecodeError as error:
            raise _not_text(path, error) from error


def read_range(path: str, start: int, length: int) -> bytes:
    """Reads a part of a file.

    Args:
      path: Path of the file, local or remote.
      start: Position of the first byte.
      length: Number of bytes.

    Returns:
      The bytes; fewer than `length` at the end of the file.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    with _open(path) as file:
        file.seek(start)
        return file.read(length)


def list_folder(folder: str) -> list[str]:
    """Lists a folder, without hidden names and without files that desktops create (`Thumbs.db`).

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of files and folders, sorted.

    Raises:
      InputError: The folder does not exist or cannot be read.
    """
    return sorted(name for name, _ in _entries(folder))


def list_folders(folder: str) -> list[str]:
    """Lists the names of the sub-folders in a folder, except hidden ones.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of the sub-folders, sorted; links to folders are among them.

    Raises:
      InputError: There is no such folder, or it cannot be read.
    """
    return sorted(sub_folders(folder))


def sub_folders(folder: str) -> Iterator[str]:
    """Finds the sub-folders as `list_folders` does, one at a time and in any order."""
    return (name for name, entry_is_folder in _entries(folder) if entry_is_folder)


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
    return sorted(posixpath.join(inner, name) for inner, name in walk(folder))


def walk(folder: str, start: str = "", *, deep: bool = True) -> Iterator[tuple[str, str]]:
    """Finds the files in a folder and its sub-folders as `list_files` does, one at a time.

    Args:
      folder: Path of the folder, local or remote.
      start: Relative path of the sub-folder to begin with; empty for the folder itself.
      deep: Whether to look into sub-folders.

    Yields:
      The relative path of the folder that a file is in, empty for the folder itself, and the name
      of the file. The files of one folder follow each other.

    Raises:
      InputError: The folder does not exist, a folder cannot be read, or a link forms a cycle.
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

    Args:
      path: Path of the folder, local or remote.

    Raises:
      InputError: The folder cannot be created.
    """
    if is_remote(path):
        with _remote(path, "made") as gfile:
            gfile.makedirs(path)
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
        gfile.makedirs(posixpath.dirname(target))
        gfile.copy(source, target, overwrite=True)


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
        with _remote(path, "written") as gfile:
            for each in (path, unfinished):
                gfile.makedirs(posixpath.dirname(each))
            with gfile.GFile(unfinished, "wb") as file:
                yield file
            gfile.rename(unfinished, path, overwrite=True)
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


@contextmanager
def _open(path: str) -> Iterator[io.BufferedReader]:
    """Opens a file for reading, local or remote."""
    if not is_remote(path):
        with _local(path), Path(path).open("rb") as file:
            yield file
        return
    with _remote(path) as gfile, gfile.GFile(path, "rb") as remote_file:
        yield io.BufferedReader(_Raw(remote_file), _REMOTE_BUFFER)


class _Raw(io.RawIOBase):
    """A remote file with the methods that Python's readers need."""

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
    """Yields the visible names in a folder, and for each name whether it is a folder."""
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
        names = [name.rstrip("/") for name in gfile.listdir(folder)]
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
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.OpError as error:
        if done == "read" and isinstance(error, tf.errors.NotFoundError):
            raise MissingFileError(f"{path}: no such file. Restore it.") from error
        raise InputError(f"{path}: cannot be {done} ({one_line(error.message)}).") from error
