"""Functions that find the pairs of a source, for each kind of source in the config."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data.sources import folder, manifest, sample, tfds
from data.sources.raw_pairs import RawFound


class SourceFunctions(NamedTuple):
    """The functions that find pairs and columns in one kind of source.

    Attributes:
      find: Finds the pairs of a source, or of one of its spans. Arguments: the source; `data.group`
        of the config; the folder to which the kinds `sample` and `tfds` write their images and
        masks once. Raises an InputError if the source as a whole cannot be used.
      kept_columns: Returns the names of the manifest's columns that are stored in the examples;
        empty for a source that is not a manifest.
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
"""Functions of each kind of source, by the name in `data.source.kind`."""
