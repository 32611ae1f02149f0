"""Draws a mask for each annotated image, once, and forms pairs of images and drawn masks."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from data.config import DataConfig
from data.config.sources import AnnotationSource, SplitName
from data.errors import InputError, PairError
from data.files.finding import is_file, list_files
from data.files.paths import is_remote, join, relative_path
from data.sources.annotations import coco, labelme
from data.sources.annotations.shapes import (
    AnnotatedImage,
    ClassesOfCategories,
    ClassIds,
)
from data.sources.image_suffixes import without_image_suffix
from data.sources.made_masks import MaskTask, digest_of, make_masks
from data.sources.raw_pairs import Ignored, Part, RawFound, RawPair
from data.sources.written_once import content_hashes, written_once

_TABLE = "pairs.jsonl"
_VERSION = 1  # of the way in which masks are drawn; a change of it draws all masks again
_LONGEST_MASK = 100  # characters in the path of a mask, so that its name is never too long


class _Reader(NamedTuple):
    """The functions that read and draw one format of annotations."""

    files: Callable[[Any, Sequence[str]], list[str]]
    read: Callable[[Any, Sequence[str], int], Iterator[AnnotatedImage | PairError]]
    paint: Callable[[AnnotatedImage, int, Mapping[str | None, int]], ClassIds]


_READERS = MappingProxyType(
    {
        "coco": _Reader(coco.files, coco.read, coco.paint),
        "labelme": _Reader(labelme.files, labelme.read, labelme.paint),
    }
)


class DrawnPair(NamedTuple):
    """An image with a drawn mask, which is a pair if no other image has the same key.

    Attributes:
      place: JSON file and image, for messages.
      key: Name of the pair: the path of the image without its suffix.
      image: Path of the image file.
      mask: Path of the drawn mask.
      split: Split of the pair if the source assigns one, otherwise None.
    """

    place: str
    key: str
    image: str
    mask: str
    split: SplitName | None

    @property
    def name(self) -> str:
        """The key, which no other image may have."""
        return self.key


class _Content(NamedTuple):
    """Content of a part.

    Attributes:
      folder: Folder with the drawn masks and their table.
      names: Relative paths of all files of the source, if each of its images should be named by a
        JSON file.
    """

    folder: str
    names: tuple[str, ...]


def parts(source: AnnotationSource, own_folder: str, data: DataConfig) -> list[Part]:
    """Draws the masks of all images, unless the annotations are unchanged.

    Args:
      source: Config of the source.
      own_folder: Folder for the masks, which are written once for each content of the JSON files,
        to `<own_folder>/<digest>`.
      data: The `data` section of the config, with the names of the classes.

    Returns:
      A single part for all pairs.

    Raises:
      InputError: A JSON file cannot be read, names a category that has no class, or names no image.
    """
    names = _names(source, own_folder) if source.kind == "labelme" else ()
    paths = _READERS[source.kind].files(source, names)
    settings = [_VERSION, source.model_dump(exclude={"path"}), data.classes, data.max_pixels]
    content = [settings, content_hashes(own_folder, paths)]
    write = functools.partial(_write, source, data, paths)
    return [Part(_Content(str(written_once(own_folder, content, write)), names))]


def _names(source: AnnotationSource, own_folder: str) -> tuple[str, ...]:
    """Lists the files of the source, without those of the pipeline if its folder lies within."""
    home = str(Path(own_folder).absolute().parent)
    root = source.path if is_remote(source.path) else str(Path(source.path).absolute())
    inner = relative_path(home, root)
    own = f"{inner}/" if inner and inner != "." else None
    return tuple(name for name in list_files(source.path) if not (own and name.startswith(own)))


def find(source: AnnotationSource, content: _Content) -> Iterator[DrawnPair | Ignored | PairError]:
    """Reads the table of the drawn masks.

    Args:
      source: Config of the source.
      content: Content of the part that `parts` returned.

    Yields:
      A row for each image with a mask, an error for each image that cannot be used, and the images
      that are left out.
    """
    named = set()
    with Path(content.folder, _TABLE).open() as lines:
        for kind, *fields in map(json.loads, lines):
            if kind == "problem":
                fault, place, reason = fields
                yield PairError(fault, f"{source.path}/{place}", reason)
                continue
            place, image, mask, split = fields
            named.add(image)
            path = join(source.path, image)
            if mask is None:
                yield Ignored(path, "left out, as it has no annotations (data.source.unannotated).")
                continue
            key = without_image_suffix(image)
            yield DrawnPair(f"{source.path}/{place}", key, path, f"{content.folder}/{mask}", split)
    for name in content.names:
        if name not in named and without_image_suffix(name) != name:
            yield Ignored(join(source.path, name), "left out, as no JSON file of labelme names it.")


def pair(rows: Sequence[DrawnPair]) -> RawFound:
    """Accepts an image as a pair if no other image has the same key and its file exists.

    Args:
      rows: All images that have a certain key.

    Returns:
      The pairs. Every other image is reported as a problem, with its JSON file.
    """
    found = RawFound([], [], [])
    count = Counter(row.key for row in rows)
    for row in rows:
        if count[row.key] > 1:
            kind = "same_name"
            reason = "another image has the same name without suffix. Remove one of them."
        elif not is_file(row.image):
            kind = "missing_file"
            reason = (
                "no such image below data.source.path. Restore it, remove it from the annotations, "
                "or correct the folder of the images."
            )
        else:
            found.pairs.append(RawPair(row.key, row.image, row.mask, row.split))
            continue
        found.problems.append(PairError(kind, row.place, reason))
    return found


def _write(
    source: AnnotationSource,
    data: DataConfig,
    paths: Sequence[str],
    folder: Path,
    earlier: Path | None,
) -> None:
    """Writes the masks of all images, and a table with a line for each image or error."""
    reader = _READERS[source.kind]
    read = list(reader.read(source, paths, data.max_pixels))
    images = [each for each in read if isinstance(each, AnnotatedImage)]
    problems = [each for each in read if isinstance(each, PairError)]
    if not read:
        raise InputError(f"{source.path}: the annotations name no images. Export them again.")
    classes = ClassesOfCategories(source, data.classes)
    background, class_ids = classes.background, classes.ids(images)
    masks = {
        number: MaskTask(_mask(number, image), _digest(source, image, background, class_ids), image)
        for number, image in enumerate(images)
        if image.shapes or source.unannotated == "background"
    }
    errors = make_masks(list(masks.values()), folder, earlier, reader.paint, background, class_ids)
    rows: list[Sequence[str | None]] = [
        ("problem", problem.kind, problem.file, problem.reason)
        for problem in [*problems, *errors.values()]
    ]
    for number, image in enumerate(images):
        mask = masks[number].path if number in masks else None
        if mask not in errors:
            rows.append(("image", _place(image), image.image, mask, image.split))
    with (folder / _TABLE).open("w") as table:
        table.writelines(f"{json.dumps(row)}\n" for row in rows)


def _mask(number: int, image: AnnotatedImage) -> str:
    """Returns the path of the mask in its folder."""
    return f"{number // 1000}/{number}_{Path(image.image).stem}"[:_LONGEST_MASK] + ".png"


def _digest(
    source: AnnotationSource,
    image: AnnotatedImage,
    background: int,
    class_ids: Mapping[str | None, int],
) -> str:
    """Returns a hash of everything that determines the mask of an image."""
    shapes = [
        (class_ids[shape.category], shape.category is None, shape.kind, shape.outline)
        for shape in image.shapes
    ]
    return digest_of([_VERSION, source.kind, background, image.height, image.width, shapes])


def _place(image: AnnotatedImage) -> str:
    return f"{image.file} ({image.image})"
