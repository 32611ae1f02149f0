"""The one place that reads files by path.

A path with a scheme (`gs://…`) is TensorFlow's business; any other is a local one. TensorFlow takes
seconds to load, so it is imported only where a path needs it.
"""

import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from data.errors import InputError

THREADS = 16
"""How many files are asked for at once: a remote file is mostly waiting."""
_DESKTOP_LITTER = frozenset({"Thumbs.db", "desktop.ini"})


def is_remote(path: str) -> bool:
    """Returns whether the path has a scheme."""
    return "://" in path


def join(folder: str, name: str) -> str:
    """Returns the path of what has this relative path in the folder; `.` is the folder itself.

    Args:
      folder: Local or remote.
      name: A relative path with forward slashes; `..` is resolved by the text alone.
    """
    scheme, separator, path = folder.rpartition("://")
    joined = posixpath.normpath(posixpath.join(path, name))
    return scheme + separator + joined


def relative_path(path: str, folder: str) -> str | None:
    """Returns where in a folder a path leads, by the text alone, or None if it leads elsewhere."""
    scheme, _, path = path.rpartition("://")
    folder_scheme, _, folder = folder.rpartition("://")
    relative = posixpath.relpath(path, folder)
    elsewhere = scheme != folder_scheme or relative.split("/")[0] == ".."
    return None if elsewhere else relative


def is_file(path: str) -> bool:
    """Returns whether there is a file of that path."""
    if not is_remote(path):
        return Path(path).is_file()
    with _remote(path) as gfile:
        return gfile.exists(path) and not gfile.isdir(path)


def is_folder(path: str) -> bool:
    """Returns whether there is a folder of that path."""
    if not is_remote(path):
        return Path(path).is_dir()
    with _remote(path) as gfile:
        return gfile.isdir(path)


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Args:
      path: Local or remote.

    Returns:
      Its content.

    Raises:
      InputError: There is no such file, or it cannot be read.
    """
    if not is_remote(path):
        with _local(path):
            return Path(path).read_bytes()
    with _remote(path) as gfile, gfile.GFile(path, "rb") as file:
        return bytes(file.read())


def read_text(path: str) -> str:
    """Reads a whole text file in UTF-8, with or without a byte order mark.

    Args:
      path: Local or remote.

    Returns:
      Its text, with the line ends it has.

    Raises:
      InputError: There is no such file, or it is no text in UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 ({error.reason}). Save it as UTF-8.") from error


def list_folder(folder: str) -> list[str]:
    """Lists the names in a folder; hidden ones and what desktops leave behind are left out.

    Args:
      folder: Local or remote.

    Returns:
      Names of files and folders, sorted.

    Raises:
      InputError: There is no such folder, or it cannot be read.
    """
    return sorted(_entries(folder))


def list_files(folder: str) -> list[str]:
    """Lists the files in a folder and in the folders within; links to folders are followed.

    Args:
      folder: Local or remote.

    Returns:
      Relative paths with forward slashes, sorted; hidden files and folders, and what desktops leave
      behind, are left out.

    Raises:
      InputError: There is no such folder, a folder cannot be read, or a link leads into a circle.
    """
    files: list[str] = []
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        here = join(folder, inner or ".")
        if not is_remote(here):
            _refuse_circle(here)
        for name, a_folder in _entries(here).items():
            (waiting if a_folder else files).append(posixpath.join(inner, name))
    return sorted(files)


@contextmanager
def new_file(path: str, scratch: str | None = None) -> Iterator[IO[bytes]]:
    """Writes a file that is complete or not there at all; an older one of that path is replaced.

    Args:
      path: Local or remote.
      scratch: Folder on the same file system, where the file lies until it is complete, under a
        name of its own: several may then write the same file at once, and what a killed one leaves
        is not beside it. None for beside it, for one writer.

    Yields:
      A file open for writing.

    Raises:
      InputError: It cannot be written.
    """
    unfinished = f"{scratch}/{uuid.uuid4().hex}" if scratch else f"{path}.unfinished"
    if is_remote(path):
        with _remote(path) as gfile:
            for each in (path, unfinished):
                gfile.makedirs(posixpath.dirname(each))
            with gfile.GFile(unfinished, "wb") as file:
                yield file
            gfile.rename(unfinished, path, overwrite=True)
        return
    try:
        for each in (path, unfinished):
            Path(each).parent.mkdir(parents=True, exist_ok=True)
        try:
            with Path(unfinished).open("wb") as file:
                yield file
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder that is complete or not there at all, whatever happens meanwhile.

    Args:
      folder: The folder to make; empty, or not there yet.

    Yields:
      An unfinished folder to write to; it becomes `folder` at the end.

    Raises:
      InputError: The folder exists already and holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder}: exists already and is not empty. Choose another folder, or remove it."
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
    """What is in a folder but not hidden: names, and whether they are folders."""
    if not is_folder(folder):
        raise InputError(f"{folder}: no such folder. Check data.source in the config.")
    if is_remote(folder):
        with _remote(folder) as gfile:
            names = [name.rstrip("/") for name in gfile.listdir(folder)]
        with ThreadPoolExecutor(THREADS) as pool:
            are_folders = pool.map(is_folder, (f"{folder}/{name}" for name in names))
            entries = dict(zip(names, are_folders, strict=True))
    else:
        with _local(folder), os.scandir(folder) as found:
            entries = {entry.name: entry.is_dir() for entry in found}
    for name in entries:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(f"{folder}: the name {name!a} is not in UTF-8. Rename it.")
    return {
        name: a_folder
        for name, a_folder in entries.items()
        if not name.startswith(".") and name not in _DESKTOP_LITTER
    }


def _refuse_circle(folder: str) -> None:
    path = Path(folder)
    if path.is_symlink() and path.resolve() in path.parent.resolve().parents:
        raise InputError(f"{folder}: a link to a folder that it lies in. Remove the link.")


@contextmanager
def _local(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file. Restore it.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


@contextmanager
def _remote(path: str) -> Iterator[Any]:
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as error:
        raise InputError(f"{path}: no such file. Restore it.") from error
    except tf.errors.OpError as error:
        reason = " ".join(error.message.split())
        raise InputError(f"{path}: cannot be read ({reason}).") from error
