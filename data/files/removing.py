"""Removes files and folders."""

import shutil
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
