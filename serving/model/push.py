"""Copies a model to the push folder as a new version."""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from data.errors import InputError
from data.files.copying import copy_file
from data.files.finding import list_files
from data.files.paths import is_remote, join
from data.files.reading import read_bytes
from data.files.writing import ExistingFolderError, complete_folder, write_text
from serving.card.card import ModelCard
from serving.card.files import PUSHED_CARD_FILES, pushed_card_files
from serving.model.versions import GREATEST_VERSION, MODEL_FILE, numbered_folders, versions


def push_model(model: str, serving_folder: str, card: ModelCard | None = None) -> str:
    """Copies a SavedModel to a push folder as a new version, unless it is the newest version.

    A run that was killed after its push therefore does not push the same model again. If only the
    card has changed, for example because its texts in the config were corrected, the card of the
    newest version is replaced.

    On a local disk, the version is copied to a temporary folder, which is then renamed, so a server
    never sees an incomplete version, and several processes may push at once. Object stores cannot
    rename a folder, so `saved_model.pb` is copied last; a server that reads the folder too early
    fails to load the version and tries again.

    Args:
      model: Folder of the SavedModel.
      serving_folder: Push folder, which a server watches; it is created if it does not exist.
      card: Model card to add to the version; None for a version without one.

    Returns:
      Path of the version's folder. The number of a new version is the current Unix time in seconds,
      or the newest version's number plus one if that is greater.

    Raises:
      InputError: The push folder cannot be written, or has a version of the greatest number.
    """
    texts = pushed_card_files(card) if card else {}
    for number in versions(serving_folder)[:1]:
        newest = join(serving_folder, number)
        if _checksums(model) == _checksums(newest):
            _write(newest, texts)
            return newest
    while True:
        version = join(serving_folder, str(_next_version(serving_folder)))
        if is_remote(serving_folder):
            _write(version, texts)
            for file in sorted(list_files(model), key=lambda file: file == MODEL_FILE):
                copy_file(join(model, file), join(version, file))
            return version
        # Another process may use the same number at the same time.
        with contextlib.suppress(ExistingFolderError):
            with complete_folder(Path(version)) as unfinished:
                shutil.copytree(model, unfinished, dirs_exist_ok=True)
                _write(str(unfinished), texts)
            return version


def _write(version: str, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        write_text(join(version, path), text)


def _checksums(model: str) -> dict[str, bytes]:
    """Returns the checksum of each file of a SavedModel, by the file's path in the folder.

    The large files with weights are left out, since TensorFlow stores the checksum of each weight
    in `variables.index`. The card is left out, since it describes the model and does not change it.
    """
    return {
        file: hashlib.sha256(read_bytes(join(model, file))).digest()
        for file in list_files(model)
        if ".data-" not in file and file not in PUSHED_CARD_FILES
    }


def _next_version(serving_folder: str) -> int:
    # Incomplete versions are included, because their numbers cannot be reused.
    newest = max(numbered_folders(serving_folder), default=0)
    if newest == GREATEST_VERSION:
        raise InputError(
            f"{serving_folder}/{newest}: no version can have a greater number. Remove this folder."
        )
    return max(int(time.time()), newest + 1)
