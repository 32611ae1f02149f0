"""The versions of a model in its push folder: pushes new ones and finds existing ones."""

import os
import shutil
import time
from pathlib import Path

import tensorflow as tf

from data.errors import InputError
from data.files import complete_folder, is_remote

_SAVED_MODEL = "saved_model.pb"


def push_model(model: str, serving_folder: str) -> str:
    """Copies a SavedModel to a push folder as a new version.

    On a local disk the complete version appears at once, by a rename. Object stores cannot rename a
    folder. On an object store, `saved_model.pb` is copied last, and a server that reads the folder
    too early fails to load the version and tries again.

    Args:
      model: Folder of the SavedModel.
      serving_folder: Push folder that a server watches; created if it does not exist.

    Returns:
      Folder of the new version. The version number is the current time in seconds since 1970, or
      the newest version's number plus one if that is greater.
    """
    version = os.path.join(serving_folder, str(_next_version(serving_folder)))
    if is_remote(serving_folder):
        files = [
            os.path.relpath(os.path.join(folder, name), model)
            for folder, _, names in tf.io.gfile.walk(model)
            for name in names
        ]
        for file in sorted(files, key=lambda file: file == _SAVED_MODEL):
            target = os.path.join(version, file)
            tf.io.gfile.makedirs(os.path.dirname(target))
            tf.io.gfile.copy(os.path.join(model, file), target)
    else:
        with complete_folder(Path(version)) as unfinished:
            shutil.copytree(model, unfinished, dirs_exist_ok=True)
    return version


def versions(serving_folder: str) -> list[str]:
    """Lists the complete versions of a model, newest first.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Names of the version folders, which are version numbers; empty if the push folder does not
      exist.
    """
    return [
        os.path.basename(path)  # noqa: PTH119, it may be gs://…
        for _, path in sorted(numbered_folders(serving_folder).items(), reverse=True)
        if tf.io.gfile.exists(os.path.join(path, _SAVED_MODEL))
    ]


def numbered_folders(serving_folder: str) -> dict[int, str]:
    """Lists the folders that TF Serving regards as versions, complete or not.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Path of each version's folder, by version number.
    """
    if not tf.io.gfile.isdir(serving_folder):
        return {}
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(serving_folder)]
    paths = {int(name): os.path.join(serving_folder, name) for name in names if name.isdecimal()}
    return {number: path for number, path in paths.items() if tf.io.gfile.isdir(path)}


def _next_version(serving_folder: str) -> int:
    # Incomplete versions count, too: their numbers are in use.
    newest = max(numbered_folders(serving_folder), default=0)
    return max(int(time.time()), newest + 1)


def newest_version(serving_folder: str) -> str:
    """Finds the newest pushed version, as TF Serving does.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Path of the newest version's folder.

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
      Path of the version's folder.

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
