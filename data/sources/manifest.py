"""Finds pairs in a manifest, which is a table with one row per pair."""

import csv
import io
import json
import posixpath
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Self

from data.errors import InputError, PairError, nearest
from data.files import THREADS, is_file, is_remote, join, read_text, relative_path
from data.source_config import ManifestSource
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes, without_image_suffix
from data.sources.raw_pairs import RawFound, RawPair
from data.sources.split_names import SPLIT_NAMES, split_of


def find(source: ManifestSource, group: str) -> RawFound:
    """Finds the pairs of image and mask files that a manifest lists.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.
      group: Name of the column that gives the group of each pair, if the table has this column.

    Returns:
      The pairs found in the manifest. Every other row is reported as a problem, with its position
      `<manifest>:<line>`.

    Raises:
      InputError: The manifest cannot be read, has no rows, or lacks a column that the config names.
    """
    rows, columns = _read(source)
    kept = _kept(source, columns)
    found = RawFound([], [], [])
    root = _Root.of(source)
    pairs: list[tuple[_Row, RawPair]] = []
    for row in rows:
        try:
            pair = _pair_of(row, source, root, group if group in columns else None)
            cells = {name: row.cells.get(name, "") for name in kept}
            pairs.append((row, pair._replace(columns=cells)))
        except PairError as error:
            found.problems.append(error)
    files = Counter((kind, getattr(pair, kind)) for _, pair in pairs for kind in ("image", "mask"))
    keys = Counter(pair.key for _, pair in pairs)
    with ThreadPoolExecutor(THREADS) as pool:
        exist = pool.map(is_file, (path for _, pair in pairs for path in (pair.image, pair.mask)))
        for row, pair in pairs:
            missing = [path for path in (pair.image, pair.mask) if not next(exist)]
            if files["image", pair.image] > 1 or files["mask", pair.mask] > 1:
                reason = (
                    "the image or the mask of this row is also in another row. Keep one of the "
                    "rows."
                )
                problem = row.problem("doubly_paired", pair.image, reason)
            elif keys[pair.key] > 1:
                reason = (
                    "the name of the image in another row differs only in the suffix. Rename one "
                    "of the images."
                )
                problem = row.problem("same_name", pair.image, reason)
            elif missing:
                reason = "no such file. Restore it, or remove the row."
                problem = row.problem("missing_file", " and ".join(missing), reason)
            else:
                found.pairs.append(pair)
                continue
            found.problems.append(problem)
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
    return _kept(source, _read(source)[1])


def _kept(source: ManifestSource, columns: list[str]) -> list[str]:
    if source.columns is not None:
        return source.columns
    return [name for name in columns if name not in ("", source.image, source.mask, source.split)]


class _Row(NamedTuple):
    manifest: str
    line: int
    cells: dict[str, str]

    def problem(self, kind: str, file: str, reason: str) -> PairError:
        return PairError(kind, f"{self.manifest}:{self.line} ({file})", reason)


class _Root(NamedTuple):
    """The folder of the manifest, to which the paths in the cells are relative."""

    path: str
    without_links: Path  # the same path with links resolved, if the folder is local

    @classmethod
    def of(cls, source: ManifestSource) -> Self:
        path = posixpath.dirname(source.path) or "."
        return cls(path, Path(path).resolve())

    def path_of(self, cell: str) -> str:
        """Returns the full path for a path in a cell, with any `..` resolved."""
        if is_remote(cell) or cell.startswith("/"):
            return join(cell, ".")
        return join(self.path, cell)

    def holds(self, path: str) -> bool:
        """Returns whether a path is inside the manifest's folder, even with all links resolved."""
        if relative_path(path, self.path) is None:
            return False
        return is_remote(path) or Path(path).resolve().is_relative_to(self.without_links)

    def key_of(self, image: str) -> str:
        inside = relative_path(image, self.path)
        if inside is None:
            path = image.rpartition("://")[2] if is_remote(image) else posixpath.abspath(image)
            inside = path.lstrip("/")
        return without_image_suffix(inside)


def _read(source: ManifestSource) -> tuple[list[_Row], list[str]]:
    """Returns the rows of a manifest and the names of all its columns."""
    read = _read_csv if source.path.lower().endswith(".csv") else _read_json
    rows = read(source.path)
    if not rows:
        raise InputError(f"{source.path}: no rows. Expected one row per pair.")
    columns = list(dict.fromkeys(column for row in rows for column in row.cells))
    _check_columns(source, columns)
    return rows, columns


def _read_csv(path: str) -> list[_Row]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[_Row] = []
    columns: list[str] = []
    line = 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells) and not columns:
                columns = cells
                if twice := [
                    name for name, count in Counter(columns).items() if name and count > 1
                ]:
                    raise InputError(
                        f"{path}:{line}: two columns are named {twice[0]!r}. Rename one of them."
                    )
            elif any(cells):
                if len(cells) != len(columns):
                    raise InputError(
                        f"{path}:{line}: found {len(cells)} cells, expected one for each of the "
                        f"columns {columns}. Put a cell with a comma in quotes."
                    )
                rows.append(_Row(path, line, dict(zip(columns, cells, strict=True))))
            # `line` counts lines, not rows, because a quoted cell may contain line breaks.
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: not CSV ({error}).") from error
    return rows


def _read_json(path: str) -> list[_Row]:
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: not JSON ({error}).") from error
        if not isinstance(cells, dict):
            raise InputError(
                f"{path}:{number}: expected an object with a value for each column, found {line!r}."
            )
        rows.append(_Row(path, number, {column: _text(cell) for column, cell in cells.items()}))
    return rows


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else json.dumps(cell)


def _check_columns(source: ManifestSource, columns: list[str]) -> None:
    named = [(key, getattr(source, key)) for key in ("image", "mask", "split", "source")]
    named += [("columns", name) for name in source.columns or ()]
    for key, name in named:
        required = key in ("image", "mask") or name != ManifestSource.model_fields[key].default
        if required and name not in columns:
            raise InputError(
                f"{source.path}: no column {name!r}, which data.source.{key} names"
                f"{nearest(name, columns)}. Found the columns {columns}."
            )


def _pair_of(row: _Row, source: ManifestSource, root: _Root, group: str | None) -> RawPair:
    cells = {kind: row.cells.get(getattr(source, kind), "") for kind in ("image", "mask")}
    for kind, cell in cells.items():
        file = cell or cells["image"] or cells["mask"]
        if not cell:
            raise row.problem("unpaired", file, f"the row has no {kind}. Add it or remove the row.")
        if posixpath.splitext(cell)[1].lower() not in IMAGE_SUFFIXES:
            reason = f"not an image suffix (expected {expected_suffixes()}). Remove the row."
            raise row.problem("not_an_image", file, reason)
        if not (source.allow_outside or root.holds(root.path_of(cell))):
            reason = (
                "the path leads out of the manifest's folder. Correct it, or set "
                "data.source.allow_outside."
            )
            raise row.problem("outside_root", file, reason)
    image, mask = (root.path_of(cell) for cell in cells.values())
    split = row.cells.get(source.split, "")
    if split and not split_of(split):
        reason = (
            f"the split {split!r} is not one of {', '.join(SPLIT_NAMES)}. Correct it, or leave the "
            "cell empty."
        )
        raise row.problem("unknown_split", cells["image"], reason)
    if group and not row.cells.get(group):
        reason = f"the column {group!r}, which groups the pairs, is empty. Fill it in."
        raise row.problem("no_group", cells["image"], reason)
    return RawPair(
        root.key_of(image),
        image,
        mask,
        split=split_of(split),
        group=row.cells[group] if group else None,
        source=row.cells.get(source.source) or None,
    )
