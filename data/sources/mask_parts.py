"""Joins mask files of single classes or objects into one mask for each image, once."""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.config import DataConfig
from data.config.sources import FolderSource
from data.errors import InputError, PairError
from data.files.paths import join, relative_path
from data.files.reading import read_bytes
from data.rasters.masks import load_region
from data.sources import folder
from data.sources.folder import File, MaskPart
from data.sources.made_masks import MaskTask, digest_of, make_masks
from data.sources.raw_pairs import Part
from data.sources.written_once import content_hashes, written_once

_TABLE = "masks.jsonl"
_VERSION = 1  # of the way in which masks are joined; a change of it joins all masks again


class JoinedMasks(NamedTuple):
    """A part that contains the joined masks of a source.

    Attributes:
      folder: Folder with the masks and their table.
      lists: Whether the source has split lists.
    """

    folder: str
    lists: bool


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
    hashes = content_hashes(str(own), [row.file.path for row in found])
    target = written_once(
        str(own),
        [[_VERSION, relative, data.classes, data.max_pixels], hashes],
        functools.partial(_write, source, data, list(zip(found, hashes, strict=True))),
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


def _write(
    source: FolderSource,
    data: DataConfig,
    found: Sequence[tuple[MaskPart, str]],
    target: Path,
    earlier: Path | None,
) -> None:
    """Writes the joined masks, and a table with a line for each."""
    of_class = {name: class_id for class_id, name in enumerate(data.classes)}
    firsts: list[File] = []
    tasks = []
    for number, (_, rows) in enumerate(itertools.groupby(found, lambda row: row[0].file.key)):
        parts = list(rows)
        # Without {class}, there are two classes, and the files are objects of the second.
        layers = sorted(
            (of_class.get(part.class_name or "", 1), part.file.path, hashed)
            for part, hashed in parts
        )
        hashes = [(class_id, hashed) for class_id, _, hashed in layers]
        digest = digest_of([_VERSION, data.max_pixels, hashes])
        content = [(class_id, path) for class_id, path, _ in layers]
        tasks.append(MaskTask(f"{number // 1000}/{number}.png", digest, content))
        firsts.append(parts[0][0].file)
    errors = make_masks(tasks, target, earlier, _joined, data.max_pixels)
    with (target / _TABLE).open("w") as table:
        for first, task in zip(firsts, tasks, strict=True):
            error = errors.get(task.path)
            origin, other, *file = (
                relative_path(path, source.path)
                for path in (first.path, first.other, *([error.file] if error else []))
            )
            problem = error and (error.kind, *file, error.reason)
            row = [first.key, task.path, origin, other, first.split, problem]
            table.write(f"{json.dumps(row)}\n")


def _joined(layers: Sequence[tuple[int, str]], max_pixels: int) -> npt.NDArray[np.uint8]:
    """Joins files of classes or objects to a mask.

    Args:
      layers: Class id and path of each file; the later ones are on top.
      max_pixels: Maximum number of pixels of a file.

    Returns:
      Class ids, [height, width].

    Raises:
      PairError: A file cannot be read, or the files differ in size.
    """
    ids: npt.NDArray[np.uint8] | None = None
    for class_id, path in layers:
        region = _region(path, max_pixels)
        if ids is None:
            ids = np.zeros(region.shape, np.uint8)
        if ids.shape != region.shape:
            reason = (
                f"{region.shape[1]}×{region.shape[0]} pixels, but another mask file of its image "
                f"has {ids.shape[1]}×{ids.shape[0]}. Export all at the image's size."
            )
            raise PairError("size_mismatch", path, reason)
        ids[region] = class_id
    assert ids is not None  # noqa: S101, there is at least one layer
    return ids


def _region(path: str, max_pixels: int) -> npt.NDArray[np.bool_]:
    try:
        return load_region(read_bytes(path), path, max_pixels)
    except PairError:
        raise
    except InputError as error:
        raise PairError("unreadable", path, str(error).removeprefix(f"{path}: ")) from error
