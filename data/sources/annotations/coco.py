"""Reads annotations in COCO's format, and rasterises their outlines as COCO's own tools do.

The format is described at https://cocodataset.org/#format-data.
"""

import itertools
import posixpath
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from data.config.sources import CocoSource, SplitName
from data.errors import InputError, PairError
from data.files.paths import join
from data.sources.annotations.json_files import read_json
from data.sources.annotations.shapes import (
    AnnotatedImage,
    ClassIds,
    Shape,
    check_extent,
    check_size,
    image_path,
    side,
)

_FEWEST_NUMBERS = 6  # of a polygon: three points
_Rle = Mapping[str, Any]


def files(source: CocoSource, names: Sequence[str]) -> list[str]:
    """Returns the paths of the JSON files.

    Args:
      source: Config of the source.
      names: Not used, because the config names the files.

    Raises:
      InputError: The package `pycocotools` is not installed.
    """
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError as error:
        raise InputError(
            "data.source: the kind coco needs the package pycocotools. Install it: "
            "pip install pycocotools"
        ) from error
    return [join(source.path, name) for _, name, _ in _files(source)]


def read(
    source: CocoSource, paths: Sequence[str], max_pixels: int
) -> Iterator[AnnotatedImage | PairError]:
    """Reads the images with their objects.

    Args:
      source: Config of the source.
      paths: Paths that `files` returned.
      max_pixels: Maximum number of pixels of an image.

    Yields:
      Each image, or an error for an image or object that cannot be used.

    Raises:
      InputError: A file cannot be read, or does not have COCO's format.
    """
    for path, (split, name, images) in zip(paths, _files(source), strict=True):
        yield from _read_file(source, path, split, name, images, max_pixels)


def _files(source: CocoSource) -> Iterator[tuple[SplitName | None, str, str]]:
    """Yields the split, the path of the JSON file and the folder of the images of each file."""
    of_splits: Mapping[Any, str] = (
        {None: source.annotations} if isinstance(source.annotations, str) else source.annotations
    )
    for split, name in of_splits.items():
        folder = source.images[split] if isinstance(source.images, dict) else source.images
        yield split, name, posixpath.dirname(name) if folder is None else folder


def _read_file(
    source: CocoSource,
    path: str,
    split: SplitName | None,
    name: str,
    folder: str,
    max_pixels: int,
) -> Iterator[AnnotatedImage | PairError]:
    content = read_json(path)
    images, annotations, categories = (
        _objects(content, key, path) for key in ("images", "annotations", "categories")
    )
    names = _names(categories, path)
    if source.crowd == "ignore" and annotations and all(a.get("iscrowd") for a in annotations):
        raise InputError(
            f"{path}: all objects are crowds (iscrowd: 1), whose pixels are ignored. If they are "
            "the objects, as in masks of CVAT's brush, write, under data.source: crowd: draw"
        )
    count = Counter(_id(image.get("id")) for image in images)
    by_image = defaultdict(list)
    for number, annotation in enumerate(annotations):
        image_id = _id(annotation.get("image_id"))
        if image_id in count:
            by_image[image_id].append(annotation)
        else:
            reason = "its image_id is not among the images. Remove it, or add the image."
            yield PairError(
                "annotation", f"{name} (annotation {_label(annotation, number)})", reason
            )
    for image in images:
        try:
            image_id = _id(image.get("id"))
            root = join(source.path, folder or ".")
            file = image_path(image.get("file_name"), root, source.path, name)
            annotated = AnnotatedImage(
                name, file, split, side(image.get("height")), side(image.get("width")), ()
            )
            if image_id is None or count[image_id] > 1:
                reason = "its id is missing, or another image has it, too. Give it one of its own."
                raise annotated.error("annotation", reason)
            check_size(annotated, max_pixels)
            shapes = [
                _shape(annotated, annotation, number, names, source)
                for number, annotation in enumerate(by_image[image_id])
            ]
            yield annotated._replace(shapes=shapes)
        except PairError as error:
            yield error


def _objects(content: Mapping[str, Any], key: str, path: str) -> list[dict[str, Any]]:
    objects = content.get(key)
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise InputError(
            f"{path}: not in COCO's format: {key!r} should be a list of objects. Export the "
            "annotations as COCO, with instances."
        )
    return objects


def _id(value: Any) -> int | str | None:
    return value if isinstance(value, int | str) else None


def _label(annotation: Mapping[str, Any], number: int) -> object:
    return annotation.get("id", f"number {number + 1}")


def _names(categories: Sequence[Mapping[str, Any]], path: str) -> dict[int | str, str]:
    """Returns the name of each category, by its id."""
    names: dict[int | str, str] = {}
    for category in categories:
        category_id, name = _id(category.get("id")), category.get("name")
        if category_id is None or not isinstance(name, str) or not name:
            raise InputError(f"{path}: a category lacks its id or its name. Add it.")
        if category_id in names:
            raise InputError(f"{path}: two categories have the id {category_id!r}. Change one.")
        if name in names.values():
            raise InputError(f"{path}: two categories are named {name!r}. Rename one of them.")
        names[category_id] = name
    return names


def _shape(
    image: AnnotatedImage,
    annotation: Mapping[str, Any],
    number: int,
    names: Mapping[int | str, str],
    source: CocoSource,
) -> Shape:
    shape = Shape(f"annotation {_label(annotation, number)}", None, "", None)
    category = names.get(_id(annotation.get("category_id")) or 0)
    if _id(annotation.get("category_id")) is None or category is None:
        reason = "its category_id is not among the categories. Correct it, or add the category."
        raise image.error("annotation", reason, shape)
    if annotation.get("iscrowd") and source.crowd == "ignore":
        category = None
    outline = annotation.get("segmentation")
    kind = "rle" if isinstance(outline, dict) else "polygons"
    return shape._replace(category=category, kind=kind, outline=outline)


def paint(image: AnnotatedImage, background: int, class_ids: Mapping[str | None, int]) -> ClassIds:
    """Draws the objects of an image: crowds at the bottom, then objects in decreasing size.

    Where objects overlap, the smaller one is on top, because a large object would cover a smaller
    one that lies on it. COCO's format itself has no order of objects.

    Args:
      image: The image.
      background: Class id of the pixels outside all objects.
      class_ids: Class id of each category; 255 for ignored pixels. None stands for crowds.

    Returns:
      Class ids, uint8 [height, width].

    Raises:
      PairError: An outline is invalid.
    """
    from pycocotools import mask as coco

    ids = np.full((image.height, image.width), background, np.uint8)
    drawn = [(shape, _encode(image, shape)) for shape in image.shapes]
    areas = [0 if shape.category is None else int(coco.area(rle)) for shape, rle in drawn]
    order = sorted(range(len(drawn)), key=lambda i: (drawn[i][0].category is not None, -areas[i]))
    for shape, rle in (drawn[i] for i in order):
        ids[coco.decode(rle).astype(bool)] = class_ids[shape.category]
    return ids


def _encode(image: AnnotatedImage, shape: Shape) -> _Rle:
    """Converts an outline to COCO's compressed RLE."""
    return _checked_rle(image, shape) if shape.kind == "rle" else _polygons(image, shape)


def _polygons(image: AnnotatedImage, shape: Shape) -> _Rle:
    from pycocotools import mask as coco

    polygons = shape.outline
    if not polygons or not isinstance(polygons, list):
        reason = "it has no outline, at most a box. Export polygons or masks, or remove it."
        raise image.error("annotation", reason, shape)
    for polygon in polygons:
        if not isinstance(polygon, array) or len(polygon) < _FEWEST_NUMBERS or len(polygon) % 2:
            reason = (
                "each polygon should be a list of numbers x, y of at least three points. Draw it "
                "again, or remove it."
            )
            raise image.error("annotation", reason, shape)
        check_extent(image, shape, np.asarray(polygon).reshape(-1, 2))
    return coco.merge(coco.frPyObjects(polygons, image.height, image.width))


def _checked_rle(image: AnnotatedImage, shape: Shape) -> _Rle:
    """Returns the outline as compressed RLE. pycocotools itself reads beyond a mask in RLE."""
    from pycocotools import mask as coco

    size, counts = shape.outline.get("size"), shape.outline.get("counts")
    if not isinstance(size, list) or size != [image.height, image.width]:
        reason = (
            f"the RLE has the size {size} (height, width), but the image {image.height} × "
            f"{image.width}. Export the annotations again."
        )
        raise image.error("annotation", reason, shape)
    runs = _runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list | array) or not all(type(run) is int and run >= 0 for run in runs):
        reason = "the counts of the RLE are damaged. Export the annotations again."
        raise image.error("annotation", reason, shape)
    if sum(runs) != image.height * image.width:
        reason = (
            f"the runs of the RLE do not add up to the {image.height * image.width} pixels of the "
            "image. Export the annotations again."
        )
        raise image.error("annotation", reason, shape)
    if isinstance(counts, str):
        return {"size": size, "counts": counts.encode()}
    rle: _Rle = coco.frPyObjects({"size": size, "counts": list(runs)}, *size)
    return rle


def _runs(counts: str) -> list[int] | None:
    """Decodes the text of a compressed RLE; None if it is damaged.

    Each number is written in groups of 5 bits, from the lowest; the sixth bit says that another
    group follows. From the fourth number on, it is the difference to the number before the last.
    """
    runs: list[int] = []
    groups = iter(ord(character) - 48 for character in counts)
    for first in groups:
        value, shift = 0, 0
        for group in itertools.chain([first], groups):
            if not 0 <= group < 64 or shift > 60:
                return None
            value |= (group & 31) << shift
            shift += 5
            if not group & 32:
                break
        else:
            return None  # the text ends within a number
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
