"""Maps each kind of source in the config to the functions that find its pairs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data.sources import folder, manifest, sample, tfds
from data.sources.raw_pairs import RawFound


class SourceFunctions(NamedTuple):
    """Functions that find the pairs and the columns of one kind of source.

    Attributes:
      find: Finds the pairs of a source without spans or of a single span. Arguments: config of the
        source; `data.group`; folder to which sources of the kinds `sample` and `tfds` write their
        image and mask files once. Raises an InputError if the source as a whole cannot be used.
      kept_columns: Returns the names of the manifest columns that are stored in the examples; an
        empty list for a source that is not a manifest. Argument: config of the source.
    """

    find: Callable[[Any, str | None, str], RawFound]
    kept_columns: Callable[[Any], list[str]] = lambda source: []


SOURCES = {
    "folder": SourceFunctions(lambda source, group, own_folder: folder.find(source)),
    "manifest": SourceFunctions(
        lambda source, group, own_folder: manifest.find(source, group or "group"),
        manifest.kept_columns,
    ),
    "sample": SourceFunctions(lambda source, group, own_folder: sample.find(own_folder)),
    "tfds": SourceFunctions(lambda source, group, own_folder: tfds.find(source, own_folder)),
}
"""Maps the name of each kind of source (`data.source.kind`) to its functions."""
