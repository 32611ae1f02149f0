"""The versions of a model in its push folder: pushes new ones and finds existing ones."""

import os
import shutil
import time
from pathlib import Path

from data.errors import InputError
from data.files import (
    complete_folder,
    copy_file,
    is_file,
    is_folder,
    is_remote,
    list_files,
    list_folders,
)

_SAVED_MODEL = "saved_model.pb"


def push_model(model: str, serving_folder: str) -> str:
    """Copies a SavedModel to the push folder as a new version.

    On a local disk the complete version appears at once, by a rename. Object stores cannot rename a
    folder: there, `saved_model.pb` is copied last, and a server that reads the folder too early
    fails to load the version and tries again.

    Args:
      model: Folder of the SavedModel.
      serving_folder: Push folder that a server watches; created if it does not exist.

    Returns:
      Folder of the new version. Its name is the current time in seconds, or the number of the
      newest version plus one if that is greater.
    """
    version = os.path.join(serving_folder, str(_next_version(serving_folder)))
    if is_remote(serving_folder):
        for file in sorted(list_files(model), key=lambda file: file == _SAVED_MODEL):
            copy_file(os.path.join(model, file), os.path.join(version, file))
    else:
        with complete_folder(Path(version)) as unfinished:
            shutil.copytree(model, unfinished, dirs_exist_ok=True)
    return version


def versions(serving_folder: str) -> list[str]:
    """Lists the complete versions, newest first; empty if the push folder does not exist.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Names of the version folders.
    """
    return [
        os.path.basename(path)  # noqa: PTH119, may be a gs:// URL
        for _, path in sorted(numbered_folders(serving_folder).items(), reverse=True)
        if is_file(os.path.join(path, _SAVED_MODEL))
    ]


def numbered_folders(serving_folder: str) -> dict[int, str]:
    """Lists the folders that TF Serving regards as versions, complete or not.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Path of the folder by version number.
    """
    names = list_folders(serving_folder) if is_folder(serving_folder) else []
    return {int(name): os.path.join(serving_folder, name) for name in names if name.isdecimal()}


def _next_version(serving_folder: str) -> int:
    # Incomplete versions count, too: their numbers cannot be used again.
    newest = max(numbered_folders(serving_folder), default=0)
    return max(int(time.time()), newest + 1)


def newest_version(serving_folder: str) -> str:
    """Finds the newest pushed version, as TF Serving does.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Folder of the newest version.

    Raises:
      InputError: The push folder has no version.
    """
    return os.path.join(serving_folder, _pushed(serving_folder)[0])


def pushed_version(serving_folder: str, version: int) -> str:
    """Finds a pushed version by its number.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.
      version: Version number.

    Returns:
      Folder of the version.

    Raises:
      InputError: The push folder does not have this version.
    """
    pushed = _pushed(serving_folder)
    for name in pushed:
        if int(name) == version:
            return os.path.join(serving_folder, name)
    known = ", ".join(reversed(pushed))
    raise InputError(f"{serving_folder}: no version {version} there, only {known}.")


def _pushed(serving_folder: str) -> list[str]:
    pushed = versions(serving_folder)
    if not pushed:
        raise InputError(
            f"{serving_folder}: no pushed model there. Run the pipeline first: unetfx run"
        )
    return pushed
