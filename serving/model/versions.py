"""Finds the versions of a model in its push folder."""

import os
import re

from data.errors import InputError
from data.files.finding import is_file, is_folder, list_folders

MODEL_FILE = "saved_model.pb"
"""Name of the file whose presence marks a version of a model as complete."""
GREATEST_VERSION = 2**63 - 1
"""Greatest version number. TF Serving ignores folders with greater numbers."""


def versions(serving_folder: str) -> list[str]:
    """Lists the complete versions of a model, newest first.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Names of the version folders, which are the version numbers; empty if the push folder does not
      exist.
    """
    return [
        os.path.basename(path)  # noqa: PTH119, may be a gs:// URL
        for _, path in sorted(numbered_folders(serving_folder).items(), reverse=True)
        if is_file(os.path.join(path, MODEL_FILE))
    ]


def numbered_folders(serving_folder: str) -> dict[int, str]:
    """Lists the folders that TF Serving regards as versions, complete or not.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Paths of the version folders, keyed by version number; empty if the push folder does not
      exist.
    """
    names = list_folders(serving_folder) if is_folder(serving_folder) else []
    return {
        int(name): os.path.join(serving_folder, name)
        for name in names
        if re.fullmatch("[0-9]+", name) and int(name) <= GREATEST_VERSION
    }


def newest_version(serving_folder: str) -> str:
    """Finds the newest complete version of a model.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.

    Returns:
      Path of the newest version's folder.

    Raises:
      InputError: The push folder contains no complete version.
    """
    return os.path.join(serving_folder, _pushed(serving_folder)[0])


def pushed_version(serving_folder: str, version: int) -> str:
    """Finds a complete version of a model by its number.

    Args:
      serving_folder: Push folder with a numbered sub-folder for each version.
      version: Version number.

    Returns:
      Path of the version's folder.

    Raises:
      InputError: The push folder contains no complete version with this number.
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
