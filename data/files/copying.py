"""Copies files and folders."""

import posixpath
import shutil

from data.files.file_systems import local_errors, open_gfile
from data.files.finding import list_files
from data.files.paths import is_remote, join
from data.files.writing import make_folder


def copy_file(source: str, target: str) -> None:
    """Copies a file. Any file at `target` is replaced, and its folder is created if necessary.

    Args:
      source: Path of the file, local or remote.
      target: Path of the copy, local or remote.

    Raises:
      InputError: The source cannot be read, or the target cannot be written.
    """
    make_folder(posixpath.dirname(target) or ".")
    if is_remote(source) or is_remote(target):
        with open_gfile(source, f"copied to {target}") as gfile:
            gfile.copy(source, target, overwrite=True)
        return
    with local_errors(source, f"copied to {target}"):
        shutil.copyfile(source, target)


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
