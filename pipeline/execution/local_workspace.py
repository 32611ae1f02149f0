"""Says what is wrong with the folder of a pipeline where TFX would only name its own operations."""

import shutil
from pathlib import Path

from data.errors import InputError, UnavailableError
from data.files.paths import is_remote
from pipeline.config.config import Config

_ALMOST_NOTHING = 2**20  # bytes; with less space, a run cannot write


def refuse_files_as_folders(config: Config) -> None:
    """Checks that no file lies where a run needs a folder.

    Args:
      config: The config of the pipeline.

    Raises:
      InputError: A file lies there.
    """
    folders = (
        config.artifacts_folder,
        config.listing_folder,
        config.reports_folder,
        config.serving_folder,
    )
    for folder in folders:
        if not is_remote(folder) and Path(folder).exists() and not Path(folder).is_dir():
            raise InputError(
                f"{folder}: a file, but a run needs a folder there. Move the file elsewhere, or "
                "choose a different workspace."
            )


def full_disk(config: Config) -> UnavailableError | None:
    """Returns the error to raise in place of another one if the disk of the workspace is full.

    Args:
      config: The config of the pipeline.
    """
    try:
        free = shutil.disk_usage(config.home).free
    except OSError:
        return None
    if free >= _ALMOST_NOTHING:
        return None
    return UnavailableError(
        f"{config.home}: no space left on the disk. Make space, and run again; unetfx retrain "
        "removes old artifacts."
    )
