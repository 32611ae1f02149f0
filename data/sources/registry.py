"""The kinds of data sources: config class of each kind, and the functions that find its pairs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data.source_config import FolderSource, ManifestSource, SampleSource, Source, TfdsSource
from data.sources import folder, manifest, sample, tfds
from data.sources.raw_pairs import RawFound


class SourceFunctions(NamedTuple):
    """The functions that find pairs and columns in one kind of source.

    Attributes:
      find: Finds the pairs of a source, or of one of its spans. Arguments: the source; `data.group`
        of the config; the folder in which a data set from a package writes its images and masks,
        once. Raises an InputError if the source as a whole cannot be used.
      kept_columns: Returns the names of the manifest's columns that are stored in the examples;
        empty for a source that is not a manifest.
    """

    find: Callable[[Any, str | None, str], RawFound]
    kept_columns: Callable[[Any], list[str]] = lambda source: []


SOURCES: dict[type[Source], SourceFunctions] = {
    FolderSource: SourceFunctions(lambda source, group, own_folder: folder.find(source)),
    ManifestSource: SourceFunctions(
        lambda source, group, own_folder: manifest.find(source, group or "group"),
        manifest.kept_columns,
    ),
    SampleSource: SourceFunctions(lambda source, group, own_folder: sample.find(own_folder)),
    TfdsSource: SourceFunctions(lambda source, group, own_folder: tfds.find(source, own_folder)),
}
"""Functions of each kind of source, by the config class of the kind."""
