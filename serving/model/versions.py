"""Puts a model where TF Serving finds it, and only when it is complete."""

import os
import shutil
import time
from pathlib import Path

import tensorflow as tf

from data.errors import InputError
from data.files import complete_folder, is_remote

_SAVED_MODEL = "saved_model.pb"


def push_model(model: str, serving_folder: str) -> str:
    """Copies a SavedModel as a new version.

    On a local disk the version's folder appears at once, complete. Object stores know no such
    step: there, `saved_model.pb` is copied last, and a server that looks too early fails to load
    the version and tries again.

    Args:
      model: The SavedModel's folder.
      serving_folder: That a server watches; it is made if it is not there.

    Returns:
      The new version's folder. Its name is the time in seconds, or one more than the newest
      version's if that is later.
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
    """Lists the versions that a server could load, newest first; none if there is no such folder.

    Args:
      serving_folder: With one sub-folder, named by a number, for each version.
    """
    return [
        os.path.basename(path)  # noqa: PTH119, it may be gs://…
        for _, path in sorted(numbered_folders(serving_folder).items(), reverse=True)
        if tf.io.gfile.exists(os.path.join(path, _SAVED_MODEL))
    ]


def numbered_folders(serving_folder: str) -> dict[int, str]:
    """Lists what TF Serving takes for versions, finished or not.

    Args:
      serving_folder: As for `versions`.

    Returns:
      Number to path.
    """
    if not tf.io.gfile.isdir(serving_folder):
        return {}
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(serving_folder)]
    paths = {int(name): os.path.join(serving_folder, name) for name in names if name.isdecimal()}
    return {number: path for number, path in paths.items() if tf.io.gfile.isdir(path)}


def _next_version(serving_folder: str) -> int:
    newest = max(numbered_folders(serving_folder), default=0)  # an unfinished one's is taken, too
    return max(int(time.time()), newest + 1)


def newest_version(serving_folder: str) -> str:
    """Finds the newest pushed version, as TF Serving would.

    Args:
      serving_folder: With one sub-folder, named by a number, for each version.

    Returns:
      The newest version's folder.

    Raises:
      InputError: No model was ever pushed there.
    """
    return os.path.join(serving_folder, _pushed(serving_folder)[0])


def pushed_version(serving_folder: str, version: int) -> str:
    """Finds a pushed version.

    Args:
      serving_folder: As for `newest_version`.
      version: Its number.

    Returns:
      The version's folder.

    Raises:
      InputError: That version was never pushed there, or is there no more.
    """
    found = _pushed(serving_folder)
    for name in found:
        if int(name) == version:
            return os.path.join(serving_folder, name)
    known = ", ".join(reversed(found))
    raise InputError(f"{serving_folder}: no version {version} there, only {known}.")


def _pushed(serving_folder: str) -> list[str]:
    found = versions(serving_folder)
    if not found:
        raise InputError(
            f"{serving_folder}: no pushed model there. Run the pipeline first: unetfx run"
        )
    return found
