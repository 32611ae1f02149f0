"""Reads the sizes and time stamps of files, which show whether their contents have changed."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISDIR
from typing import NamedTuple

from data.files.file_systems import REMOTE_THREADS, local_error, local_errors, open_gfile
from data.files.finding import list_files
from data.files.paths import is_remote, join


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


def file_state(path: str) -> FileState:
    """Returns the size and the time stamps of a file without reading its content.

    Args:
      path: Path of the file, local or remote.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be accessed.
    """
    if is_remote(path):
        with open_gfile(path) as gfile:
            remote_stat = gfile.stat(path)
        return FileState(remote_stat.length, remote_stat.mtime_nsec, remote_stat.mtime_nsec)
    try:
        stat = os.stat(path)  # noqa: PTH116, a Path would take longer than this
    except OSError as error:
        raise local_error(path, "read", error) from error
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
        with ThreadPoolExecutor(REMOTE_THREADS) as pool:
            states = list(pool.map(file_state, (join(folder, f) for f in list_files(folder))))
    else:
        with local_errors(folder):
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
