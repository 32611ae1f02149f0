"""Copies a model to the push folder as a new version."""

import os
import shutil
import time
from pathlib import Path

from data.files.copying import copy_file
from data.files.finding import list_files
from data.files.paths import is_remote
from data.files.writing import complete_folder
from serving.model.versions import MODEL_FILE, numbered_folders


def push_model(model: str, serving_folder: str) -> str:
    """Copies a SavedModel to a push folder as a new version.

    On a local disk, the version is copied to a temporary folder, which is then renamed, so a server
    never sees an incomplete version. Object stores cannot rename a folder, so `saved_model.pb` is
    copied last; a server that reads the folder too early fails to load the version and tries again.

    Args:
      model: Folder of the SavedModel.
      serving_folder: Push folder, which a server watches; it is created if it does not exist.

    Returns:
      Path of the new version's folder. The version number is the current Unix time in seconds, or
      the newest version's number plus one if that is greater.
    """
    version = os.path.join(serving_folder, str(_next_version(serving_folder)))
    if is_remote(serving_folder):
        for file in sorted(list_files(model), key=lambda file: file == MODEL_FILE):
            copy_file(os.path.join(model, file), os.path.join(version, file))
    else:
        with complete_folder(Path(version)) as unfinished:
            shutil.copytree(model, unfinished, dirs_exist_ok=True)
    return version


def _next_version(serving_folder: str) -> int:
    # Incomplete versions are included, because their numbers cannot be reused.
    newest = max(numbered_folders(serving_folder), default=0)
    return max(int(time.time()), newest + 1)
