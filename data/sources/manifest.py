"""Finds pairs in a manifest, which is a table with one row per pair."""

import functools
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data.config.sources import ManifestSource, SplitName
from data.errors import InputError, PairError, nearest
from data.files.finding import is_file
from data.files.path_advice import impossible_path, missing_path_advice
from data.files.paths import is_remote, join, relative_path
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes, without_image_suffix
from data.sources.raw_pairs import Part, RawFound, RawPair
from data.sources.split_names import SPLIT_NAMES, split_of
from data.sources.tables import column_names, read_table

_MOST_SHOWN = 300  # characters of a path in a message


class TableRow(NamedTuple):
    """A row of a manifest.

    Attributes:
      line: Number of the line on which the row starts.
      image: Cell with the path of the image.
      mask: Cell with the path of the mask.
      mask_path: Full path of the mask file; empty if the cell is empty.
      split: Cell with the name of the split; empty if the table has no such column.
      source: Cell with the name of the data set; empty if the table has no such column.
      group: Cell with the name of the group; None if the table has no such column.
      columns: Cells of the stored columns, as text by column name.
    """

    line: int
    image: str
    mask: str
    mask_path: str
    split: str
    source: str
    group: str | None
    columns: Mapping[str, str]

    @property
    def name(self) -> str:
        """The path of the mask, which must not be in any other row."""
        return self.mask_path


class Candidate(NamedTuple):
    """A valid row of a manifest, which is a pair if no other row conflicts and both files exist.

    The attributes from `key` on are those of `RawPair`.

    Attributes:
      place: Path of the manifest and number of the row's line, for messages.
      doubled: Whether another row has the same mask.
      key: Name of the pair, unique within the source or span.
      image: Path of the image file.
      mask: Path of the mask file.
      split: Split of the pair if the row gives one, otherwise None.
      group: Name of the pair's group if the table has such a column, otherwise None.
      source: Name of the data set if the row gives one, otherwise None.
      columns: Cells of the stored columns, as text by column name.
    """

    place: str
    doubled: bool
    key: str
    image: str
    mask: str
    split: SplitName | None
    group: str | None
    source: str | None
    columns: Mapping[str, str]

    @property
    def name(self) -> str:
        """The key, which no other row may have."""
        return self.key

    @property
    def pair(self) -> RawPair:
        """The pair that the row describes."""
        return RawPair(*self[2:])


def parts(source: ManifestSource) -> list[Part]:
    """Returns a single part for the whole manifest.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.

    Returns:
      A list with one part, whose content is the names of all columns.

    Raises:
      InputError: The manifest cannot be read, has no rows, or lacks a column that the config names.
    """
    return [Part(_columns(source))]


def find(source: ManifestSource, group: str, columns: Sequence[str]) -> Iterator[TableRow]:
    """Reads the rows of a manifest.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.
      group: Name of the column that gives the group of each pair, if the table has this column.
      columns: Names of all columns, which `parts` returned as the content of the part.

    Yields:
      The rows, in the order of the manifest.

    Raises:
      InputError: The manifest cannot be read, or a row is malformed.
    """
    kept = _kept(source, columns)
    root = posixpath.dirname(source.path) or "."
    for line, cells in read_table(source.path):
        mask = cells.get(source.mask, "")
        yield TableRow(
            line,
            cells.get(source.image, ""),
            mask,
            _path_of(mask, root) if mask else "",
            cells.get(source.split, ""),
            cells.get(source.source, ""),
            cells.get(group, "") if group in columns else None,
            {name: cells.get(name, "") for name in kept},
        )


def check(
    rows: Sequence[TableRow], source: ManifestSource, group: str
) -> Iterator[Candidate | PairError]:
    """Checks the cells of rows, and finds rows that have the same mask.

    Args:
      rows: All rows that have a certain mask. Rows with other masks may be among them, but then
        all rows with these masks must be.
      source: Config of the source; its path must not contain `{SPAN}`.
      group: Name of the column that gives the group of each pair, if the table has this column.

    Yields:
      A `Candidate` for each valid row, and an error for every other row, with the row's position
      `<manifest>:<line>`.
    """
    candidates = []
    for row in rows:
        try:
            candidates.append(_candidate(row, source, group))
        except PairError as error:
            yield error
    count = Counter(candidate.mask for candidate in candidates)
    yield from (each._replace(doubled=count[each.mask] > 1) for each in candidates)


def pair(rows: Sequence[Candidate]) -> RawFound:
    """Accepts a row as a pair if no other row has the same image, mask or key and its files exist.

    Args:
      rows: All rows that have a certain key. Rows with other keys may be among them, but then all
        rows with these keys must be.

    Returns:
      The pairs. Every other row is reported as a problem, with its position `<manifest>:<line>`.
    """
    found = RawFound([], [], [])
    images = Counter(row.image for row in rows)
    keys = Counter(row.key for row in rows)
    for row in rows:
        if row.doubled or images[row.image] > 1:
            kind, file = "doubly_paired", row.image
            reason = (
                "the image or the mask of this row is also in another row. Keep one of the rows."
            )
        elif keys[row.key] > 1:
            kind, file = "same_name", row.image
            reason = (
                "the name of the image in another row differs only in the suffix. Rename one of "
                "the images."
            )
        elif missing := [path for path in (row.image, row.mask) if not is_file(path)]:
            kind, file = "missing_file", " and ".join(missing)
            advice = missing_path_advice(missing[0])
            reason = f"no such file. {advice or 'Restore it, or remove the row.'}"
        else:
            found.pairs.append(row.pair)
            continue
        found.problems.append(PairError(kind, f"{row.place} ({file})", reason))
    return found


def kept_columns(source: ManifestSource) -> list[str]:
    """Lists the manifest columns that are stored in the examples.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.

    Returns:
      The names in `columns` of the config, or, if `columns` is None, the names of all columns
      except those of images, masks and splits.

    Raises:
      InputError: The manifest cannot be read, has no rows, or lacks a column that the config names.
    """
    return _kept(source, _columns(source))


def _kept(source: ManifestSource, columns: Sequence[str]) -> list[str]:
    if source.columns is not None:
        return source.columns
    return [name for name in columns if name not in ("", source.image, source.mask, source.split)]


def _columns(source: ManifestSource) -> list[str]:
    """Returns the names of all columns of a manifest."""
    columns = column_names(source.path)
    if not columns:
        raise InputError(f"{source.path}: no rows. Expected one row per pair.")
    named = [(key, getattr(source, key)) for key in ("image", "mask", "split", "source")]
    named += [("columns", name) for name in source.columns or ()]
    for key, name in named:
        required = key in ("image", "mask") or name != ManifestSource.model_fields[key].default
        if required and name not in columns:
            raise InputError(
                f"{source.path}: no column {name!r}, which data.source.{key} names"
                f"{nearest(name, columns)}. Found the columns {columns}."
            )
    return columns


def _candidate(row: TableRow, source: ManifestSource, group: str) -> Candidate:
    place = f"{source.path}:{row.line}"
    root = posixpath.dirname(source.path) or "."

    def problem(kind: str, file: str, reason: str) -> PairError:
        shown = file if len(file) <= _MOST_SHOWN else f"{file[:_MOST_SHOWN]}…"
        return PairError(kind, f"{place} ({shown})", reason)

    for kind, cell in (("image", row.image), ("mask", row.mask)):
        file = cell or row.image or row.mask
        if not cell:
            raise problem("unpaired", file, f"the row has no {kind}. Add it or remove the row.")
        if reason := impossible_path(cell):
            raise problem("impossible_path", file, reason)
        if posixpath.splitext(cell)[1].lower() not in IMAGE_SUFFIXES:
            reason = f"not an image suffix (expected {expected_suffixes()}). Remove the row."
            raise problem("not_an_image", file, reason)
        if not (source.allow_outside or _is_inside(_path_of(cell, root), root)):
            reason = (
                "the path leads out of the manifest's folder. Correct it, or set "
                "data.source.allow_outside."
            )
            raise problem("outside_root", file, reason)
    if row.split and not split_of(row.split):
        reason = (
            f"the split {row.split!r} is not one of {', '.join(SPLIT_NAMES)}. Correct it, or leave "
            "the cell empty."
        )
        raise problem("unknown_split", row.image, reason)
    if row.group == "":
        reason = f"the column {group!r}, which groups the pairs, is empty. Fill it in."
        raise problem("no_group", row.image, reason)
    image = _path_of(row.image, root)
    key = _key_of(image, root)
    split = split_of(row.split)
    source_name = row.source or None
    return Candidate(
        place, False, key, image, row.mask_path, split, row.group, source_name, row.columns
    )


def _path_of(cell: str, root: str) -> str:
    """Returns the full path for a path in a cell, with any `..` resolved."""
    if is_remote(cell) or cell.startswith("/"):
        return join(cell, ".")
    return join(root, cell)


def _is_inside(path: str, root: str) -> bool:
    """Returns whether a path is inside the manifest's folder, even with all links resolved."""
    if relative_path(path, root) is None:
        return False
    if is_remote(path):
        return True
    folder, name = posixpath.split(path)
    real = os.path.realpath(path) if Path(path).is_symlink() else f"{_real(folder)}/{name}"
    return real.startswith(_real(root).rstrip("/") + "/")


@functools.lru_cache(2**12)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _key_of(image: str, root: str) -> str:
    inside = relative_path(image, root)
    if inside is None:
        path = image.rpartition("://")[2] if is_remote(image) else posixpath.abspath(image)
        inside = path.lstrip("/")
    return without_image_suffix(inside)
