"""Joins mask files of single classes or objects into one mask for each image, once."""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.config import DataConfig
from data.config.sources import FolderSource
from data.errors import InputError, PairError
from data.files.paths import join, relative_path
from data.files.reading import read_bytes
from data.jobs.processes import in_processes, in_this_process
from data.rasters.images import encode_png
from data.rasters.masks import load_region
from data.sources import folder
from data.sources.folder import File, MaskPart
from data.sources.raw_pairs import Part
from data.sources.written_once import written_once

_TABLE = "masks.jsonl"
_VERSION = 1  # of the way in which masks are joined; a change of it joins all masks again
_FEW = 100  # masks that are joined faster than worker processes start


class JoinedMasks(NamedTuple):
    """A part that contains the joined masks of a source.

    Attributes:
      folder: Folder with the masks and their table.
      lists: Whether the source has split lists.
    """

    folder: str
    lists: bool


class _Joining(NamedTuple):
    """Settings for joining masks."""

    target: Path
    root: str
    classes: Sequence[str]
    max_pixels: int


def parts(source: FolderSource, own_folder: str, data: DataConfig) -> list[Part]:
    """Joins the masks of each image, unless the files are unchanged, and divides the folder.

    A pixel that is not 0 in a file has the class of this file, and a pixel that is 0 in all files
    of an image has the first class. Where files overlap, the class that is later in `data.classes`
    is on top.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.
      own_folder: Folder for the masks, which are written once for each content of the files, to
        `<own_folder>/<digest>`.
      data: The `data` section of the config, with the names of the classes.

    Returns:
      The parts of the folder, and a part for the masks.

    Raises:
      InputError: The folder cannot be listed (see `folder.parts`), or there are no mask files.
    """
    listed = folder.parts(source, data.classes)
    found = [row for part in listed for row in folder.mask_parts(part.content)]
    found.sort(key=lambda row: (row.file.key, row.file.path))
    if not found:
        raise InputError(
            f"{join(source.path, source.masks)}: no masks found, even in nested folders. Expected "
            f"files that match data.source.mask_pattern: {source.mask_pattern!r}, with the classes "
            f"{', '.join(data.classes)}."
        )
    relative = _relative(found, source)
    # Each span has a folder of its own, because only the newest contents are kept.
    own = Path(own_folder, hashlib.sha256(source.path.encode()).hexdigest()[:8])
    target = written_once(
        str(own),
        [row.file.path for row in found],
        [_VERSION, relative, data.classes, data.max_pixels],
        functools.partial(_write, found, source, data),
    )
    return [*listed, Part(JoinedMasks(str(target), bool(source.split_lists)))]


def find(source: FolderSource, part: JoinedMasks) -> Iterator[File]:
    """Reads the table of the joined masks.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.
      part: Content of the part that `parts` returned.

    Yields:
      A row for each mask, also for one that cannot be used.
    """
    with Path(part.folder, _TABLE).open() as lines:
        for key, mask, origin, other, split, problem in map(json.loads, lines):
            yield File(
                "mask",
                key,
                f"{part.folder}/{mask}",
                join(source.path, other),
                split,
                part.lists,
                join(source.path, origin),
                problem and (problem[0], join(source.path, problem[1]), problem[2]),
            )


def _relative(found: Sequence[MaskPart], source: FolderSource) -> list[list[str | None]]:
    """Returns key, class, path and folder of the images, with paths relative to the source's."""
    return [
        [
            row.file.key,
            row.class_name,
            relative_path(row.file.path, source.path),
            relative_path(row.file.other, source.path),
            row.file.split,
        ]
        for row in found
    ]


def _write(found: Sequence[MaskPart], source: FolderSource, data: DataConfig, target: Path) -> None:
    """Writes the joined masks, and a table with a line for each."""
    joining = _Joining(target, source.path, data.classes, data.max_pixels)
    tasks = [
        (number, list(rows))
        for number, (_, rows) in enumerate(itertools.groupby(found, lambda row: row.file.key))
    ]
    run = in_processes if len(tasks) > _FEW else in_this_process
    with (target / _TABLE).open("w") as table:
        for row in run(_join, tasks, joining):
            table.write(f"{json.dumps(row)}\n")


def _join(task: tuple[int, Sequence[MaskPart]], joining: _Joining) -> list[Any]:
    """Joins the masks of an image, and returns the row of the table."""
    number, rows = task
    first = rows[0].file
    mask = f"{number // 1000}/{number}.png"
    problem = None
    try:
        ids = _joined(rows, joining)
    except InputError as error:
        kind, reason = "unreadable", str(error).partition(": ")[2]
        file = str(error).partition(": ")[0]
        if isinstance(error, PairError):
            kind, file, reason = error.kind, error.file, error.reason
        problem = (kind, relative_path(file, joining.root), reason)
    else:
        path = joining.target / mask
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(ids, flat=True))
    origin, other = (relative_path(each, joining.root) for each in (first.path, first.other))
    return [first.key, mask, origin, other, first.split, problem]


def _joined(rows: Sequence[MaskPart], joining: _Joining) -> npt.NDArray[np.uint8]:
    ids: npt.NDArray[np.uint8] | None = None
    of_class = {name: class_id for class_id, name in enumerate(joining.classes)}
    # Without {class}, there are two classes, and the files are objects of the second.
    ordered = sorted((of_class.get(row.class_name or "", 1), row.file.path) for row in rows)
    for class_id, path in ordered:
        region = load_region(read_bytes(path), path, joining.max_pixels)
        if ids is None:
            ids = np.zeros(region.shape, np.uint8)
        if ids.shape != region.shape:
            reason = (
                f"{region.shape[1]}×{region.shape[0]} pixels, but another mask file of its image "
                f"has {ids.shape[1]}×{ids.shape[0]}. Export all at the image's size."
            )
            raise PairError("size_mismatch", path, reason)
        ids[region] = class_id
    assert ids is not None  # noqa: S101, there is at least one row
    return ids
