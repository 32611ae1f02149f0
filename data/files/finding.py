"""Finds and lists files and folders."""

import glob
import os
import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.errors import InputError, MissingFileError
from data.files.file_systems import REMOTE_THREADS, local_errors, open_gfile
from data.files.paths import is_in_bucket, is_remote, join

# Names, in lower case, of files and folders that file managers and archives create
_LITTER = frozenset(
    {
        "$recycle.bin",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "icon\r",
        "picasa.ini",
        "system volume information",
        "thumbs.db",
        "thumbs.db:encryptable",
    }
)
_STREAM_SUFFIX = ":zone.identifier"  # Windows' mark for downloaded files, copied as a file


def is_file(path: str) -> bool:
    """Returns whether the path exists and is a file."""
    if not is_remote(path):
        with local_errors(path):
            return Path(path).is_file()
    return _is_remote_folder(path) is False


def is_folder(path: str) -> bool:
    """Returns whether the path exists and is a folder."""
    if not is_remote(path):
        with local_errors(path):
            return Path(path).is_dir()
    return _is_remote_folder(path) is True


def list_folder(folder: str) -> list[str]:
    """Lists the visible files and folders in a folder.

    Args:
      folder: Path of the folder, local or remote.

    Returns:
      Names of the files and folders, sorted. Names that start with a dot, and files and folders
      that file managers and archives create (`Thumbs.db`, `__MACOSX`), are left out.

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
    with open_gfile(pattern) as gfile:
        return sorted(gfile.glob(pattern))


def _is_remote_folder(path: str) -> bool | None:
    """Returns whether a remote path is a folder; None if the path does not exist."""
    try:
        # `gfile.isdir` and `gfile.exists` are not used, because they also return False if access is
        # denied.
        with open_gfile(path) as gfile:
            return bool(gfile.stat(path).is_directory)
    except MissingFileError:
        return None


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Yields the name of each visible file and sub-folder, and whether it is a sub-folder."""
    if not is_folder(folder):
        raise MissingFileError(f"{folder}: no such folder.")
    for name, entry_is_folder in _all_entries(folder):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder}: the name {name!a} is not in UTF-8. Rename it.") from error
        if not name.startswith(".") and not _is_litter(name):
            yield name, entry_is_folder


def _is_litter(name: str) -> bool:
    return name.lower() in _LITTER or name.lower().endswith(_STREAM_SUFFIX)


def _all_entries(folder: str) -> Iterator[tuple[str, bool]]:
    if not is_remote(folder):
        with local_errors(folder), os.scandir(folder) as scanned:
            for entry in scanned:
                with local_errors(entry.path):
                    is_dir = entry.is_dir()
                yield entry.name, is_dir
        return
    with open_gfile(folder) as gfile:
        listed = gfile.listdir(folder)
    if is_in_bucket(folder):  # there, TensorFlow appends a slash to the names of folders
        yield from {name.rstrip("/"): name.endswith("/") for name in listed}.items()
        return
    names = [name.rstrip("/") for name in listed]
    with ThreadPoolExecutor(REMOTE_THREADS) as pool:
        are_folders = pool.map(is_folder, (f"{folder}/{name}" for name in names))
        yield from zip(names, are_folders, strict=True)


def _refuse_cycle(folder: str) -> None:
    path = Path(folder)
    if not path.is_symlink():
        return
    target = path.resolve()
    # Two links in different folders may form a circle, so all folders on the way are compared.
    above = [each.resolve() for each in path.parents]
    if any(target in (each, *each.parents) for each in above):
        raise InputError(f"{folder}: a link to a folder that contains it. Remove the link.")
