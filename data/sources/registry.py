"""The functions that find the pairs of each kind of source; see `data.source_config`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from data.errors import PairError
from data.sources import folder, manifest, sample, tfds
from data.sources.raw_pairs import Part, RawFound, RawPair, Row, whole_pairs


class SourceFunctions(NamedTuple):
    """The functions that find pairs and columns in one kind of source.

    Pairs are found in two or three steps, each of which may run in many processes: `find` lists the
    rows of a part, `check` may look at rows with the same name and give them other names, and
    `pair` forms the pairs from the rows with the same name.

    Attributes:
      find: Lists a part of a source, or of one of its spans. Arguments: the source; `data.group` of
        the config; the part's content. A row without a pair is a PairError.
      parts: Divides a source into parts. Arguments: the source; the folder in which a data set from
        a package writes its images and masks, once. Raises an InputError if the source as a whole
        cannot be used.
      pair: Forms the pairs of all rows with names that have the same hash.
      check: Checks all rows with the same name, and returns rows with other names; None to leave
        out this step. Arguments: the rows; the source; `data.group` of the config.
      row_types: The types of the rows.
      kept_columns: Returns the names of the manifest's columns that are stored in the examples;
        empty for a source that is not a manifest.
    """

    find: Callable[[Any, str | None, Any], Iterable[Row | PairError]]
    parts: Callable[[Any, str], list[Part]] = lambda source, own_folder: [Part()]
    pair: Callable[[Sequence[Any]], RawFound] = whole_pairs
    check: Callable[[Sequence[Any], Any, str | None], Iterator[Row | PairError]] | None = None
    row_types: tuple[Callable[..., Row], ...] = (RawPair,)
    kept_columns: Callable[[Any], list[str]] = lambda source: []


_FOLDER = SourceFunctions(
    lambda source, group, part: folder.find(part),
    lambda source, own_folder: folder.parts(source),
    folder.pair,
    row_types=(folder.File, folder.ListEntry),
)
SOURCES = {
    "folder": _FOLDER,
    "manifest": SourceFunctions(
        lambda source, group, columns: manifest.find(source, group or "group", columns),
        lambda source, own_folder: manifest.parts(source),
        manifest.pair,
        lambda rows, source, group: manifest.check(rows, source, group or "group"),
        (manifest.TableRow, manifest.Candidate),
        manifest.kept_columns,
    ),
    "sample": _FOLDER._replace(parts=lambda source, own_folder: sample.parts(own_folder)),
    "tfds": _FOLDER._replace(parts=tfds.parts),
}
"""Functions of each kind of source, by the name in `data.source.kind`."""
