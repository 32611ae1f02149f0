"""Finds the pushed versions of the model, with the artifacts that they were made from."""

import os

from pipeline.config.config import Config
from pipeline.history.store import History
from serving.model.versions import numbered_folders


def pushed_versions(config: Config, history: History) -> dict[int, set[int]]:
    """Returns the IDs of the model and blessings of each existing version, by version number.

    Args:
      config: The config of the pipeline.
      history: The records of the pipeline.
    """
    present = set(numbered_folders(config.serving_folder).values())
    pushed = ((folder, ids) for folder, ids in history.pushed() if folder in present)
    # `Path` is not used, because it would corrupt a gs:// URL.
    return {int(os.path.basename(folder)): ids for folder, ids in pushed}  # noqa: PTH119
