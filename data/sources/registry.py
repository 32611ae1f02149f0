"""The functions that read each kind of data source; the kinds are in `data.source_config`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data.sources import folder, manifest, sample, tfds
from data.sources.raw_pairs import RawFound


class SourceFunctions(NamedTuple):
    """Functions of one kind of source.

    Attributes:
      find: Finds the pairs of a source, or of one of its spans. Arguments: the source;
        `data.group` of the config; the folder in which a source without files writes them, once.
        Raises an InputError if the source as a whole cannot be used.
      kept_columns: Returns the names of the columns that examples keep, if the source is a table.
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
