"""Removes files and folders."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from data.files.file_systems import local_errors, open_gfile
from data.files.paths import is_remote


def remove_file(path: str) -> None:
    """Removes a file if it exists.

    Args:
      path: Path of the file, local or remote.

    Raises:
      InputError: The file cannot be removed.
    """
    if is_remote(path):
        with open_gfile(path, "removed") as gfile:
            if gfile.exists(path):
                gfile.remove(path)
        return
    with local_errors(path, "removed"):
        Path(path).unlink(missing_ok=True)


def remove_folder(path: str) -> None:
    """Removes a folder and everything in it, if the folder exists.

    Args:
      path: Path of the folder, local or remote.

    Raises:
      InputError: The folder cannot be removed.
    """
    if is_remote(path):
        with open_gfile(path, "removed") as gfile:
            if gfile.exists(path):
                gfile.rmtree(path)
        return
    with local_errors(path, "removed"):
        if Path(path).exists():
            shutil.rmtree(path)


def remove_oldest(folder: Path, suffixes: Sequence[str], most: int) -> None:
    """Removes the oldest files of a local folder until the others have at most a given size.

    Args:
      folder: The folder, in which other processes may remove files as well.
      suffixes: Suffixes of the files that count.
      most: Size in bytes.
    """
    states = []
    for path in folder.iterdir():
        if path.suffix in suffixes:
            with contextlib.suppress(FileNotFoundError):  # another process may have removed it
                state = path.stat()
                states.append((state.st_mtime_ns, path, state.st_size))
    excess = sum(size for *_, size in states) - most
    for _, path, size in sorted(states):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size
