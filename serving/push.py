"""Puts a model where TF Serving finds it, and only when it is complete."""

import os
import shutil
import time
from pathlib import Path

import tensorflow as tf

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
    complete = tf.io.gfile.glob(os.path.join(serving_folder, "*", _SAVED_MODEL))
    names = [path.split("/")[-2] for path in complete]
    return sorted((name for name in names if name.isdecimal()), key=int, reverse=True)


def _next_version(serving_folder: str) -> int:
    if not tf.io.gfile.isdir(serving_folder):
        return int(time.time())
    # Unfinished ones as well: their numbers are taken.
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(serving_folder)]
    return max([int(time.time()), *(int(name) + 1 for name in names if name.isdecimal())])
