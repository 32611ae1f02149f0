"""Maps each kind of source in the config to the functions that find its pairs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from data.config import DataConfig
from data.errors import PairError
from data.sources import folder, manifest, mask_parts, sample, tfds
from data.sources.annotations import drawn
from data.sources.raw_pairs import Ignored, Part, RawFound, RawPair, Row, whole_pairs


class SourceFunctions(NamedTuple):
    """Functions that find the pairs and the columns of one kind of source.

    Pairs are found in two or three steps, each of which may run in many processes. First, `find`
    lists the rows of a part. Then, if necessary, `check` compares rows that have the same name, and
    gives them other names. Finally, `pair` forms pairs from rows that have the same name.

    Attributes:
      find: Lists the rows of a part of a source without spans, or of a part of a single span.
        Arguments: config of the source; `data.group`; content of the part. A PairError stands for
        a row that cannot belong to a pair.
      parts: Divides a source without spans, or a single span, into parts. Arguments: config of the
        source; folder to which some sources write image and mask files once; the `data` section of
        the config. Raises an InputError if the source as a whole cannot be used.
      pair: Forms pairs from rows whose names have the same hash. Argument: all rows with this hash.
      check: Checks rows whose names have the same hash, and yields rows with new names; None if
        this step is not needed. Arguments: all rows with this hash; config of the source;
        `data.group`.
      row_types: Types of the rows that `find` and `check` yield.
      kept_columns: Returns the names of the manifest columns that are stored in the examples; an
        empty list for a source that is not a manifest. Argument: config of the source.
    """

    find: Callable[[Any, str | None, Any], Iterable[Row | Ignored | PairError]]
    parts: Callable[[Any, str, DataConfig], list[Part]] = lambda source, own_folder, data: [Part()]
    pair: Callable[[Sequence[Any]], RawFound] = whole_pairs
    check: Callable[[Sequence[Any], Any, str | None], Iterator[Row | PairError]] | None = None
    row_types: tuple[Callable[..., Row], ...] = (RawPair,)
    kept_columns: Callable[[Any], list[str]] = lambda source: []


_FOLDER = SourceFunctions(
    lambda source, group, part: (
        mask_parts.find(source, part)
        if isinstance(part, mask_parts.JoinedMasks)
        else folder.find(part)
    ),
    lambda source, own_folder, data: (
        mask_parts.parts(source, own_folder, data) if source.draws_masks else folder.parts(source)
    ),
    folder.pair,
    row_types=(folder.File, folder.ListEntry),
)
_DRAWN = SourceFunctions(
    lambda source, group, part: drawn.find(source, part),
    drawn.parts,
    drawn.pair,
    row_types=(drawn.DrawnPair,),
)
SOURCES = {
    "folder": _FOLDER,
    "manifest": SourceFunctions(
        lambda source, group, columns: manifest.find(source, group or "group", columns),
        lambda source, own_folder, data: manifest.parts(source),
        manifest.pair,
        lambda rows, source, group: manifest.check(rows, source, group or "group"),
        (manifest.TableRow, manifest.Candidate),
        manifest.kept_columns,
    ),
    "sample": _FOLDER._replace(parts=lambda source, own_folder, data: sample.parts(own_folder)),
    "tfds": _FOLDER._replace(parts=lambda source, own_folder, data: tfds.parts(source, own_folder)),
    "coco": _DRAWN,
    "labelme": _DRAWN,
}
"""Maps the name of each kind of source (`data.source.kind`) to its functions."""
