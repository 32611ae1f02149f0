"""Reads labelme's JSON files, and draws their shapes as labelme does.

labelme draws with Pillow, the later shape on top (`labelme/utils/shape.py`, `shapes_to_label`).
"""

import base64
import io
import math
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from data.config.sources import LabelmeSource
from data.errors import InputError, PairError
from data.files.paths import join, relative_path
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

_IGNORED = "__ignore__"  # label that labelme's own tools read as ignored pixels
_FEWEST_POINTS = {"polygon": 3, "oriented_rectangle": 4, "rectangle": 2, "circle": 2, "mask": 2}
_WITHOUT_AREA = ("line", "linestrip", "point", "points")
_Points = npt.NDArray[np.float64]


def files(source: LabelmeSource, names: Sequence[str]) -> list[str]:
    """Returns the paths of all JSON files below the source's path.

    Args:
      source: Config of the source.
      names: Relative paths of all files below the source's path.

    Raises:
      InputError: There are no JSON files.
    """
    found = [join(source.path, name) for name in names if name.lower().endswith(".json")]
    if not found:
        raise InputError(f"{source.path}: no JSON files of labelme, even in nested folders.")
    return found


def read(
    source: LabelmeSource, paths: Sequence[str], max_pixels: int
) -> Iterator[AnnotatedImage | PairError]:
    """Reads the images with their shapes.

    Args:
      source: Config of the source.
      paths: Paths that `files` returned.
      max_pixels: Maximum number of pixels of an image.

    Yields:
      The image of each file, or an error for a file that cannot be used.
    """
    for path in paths:
        try:
            yield _read_file(source, path, max_pixels)
        except PairError as error:
            yield error


def _read_file(source: LabelmeSource, path: str, max_pixels: int) -> AnnotatedImage:
    name = relative_path(path, source.path) or path
    try:
        content = read_json(path)
    except InputError as error:
        raise PairError("annotation", name, str(error).removeprefix(f"{path}: ")) from error
    shapes = content.get("shapes")
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        reason = "not a file of labelme: 'shapes' should be a list. Move the file elsewhere."
        raise PairError("annotation", name, reason)
    file = image_path(content.get("imagePath"), posixpath.dirname(path), source.path, name)
    height, width = side(content.get("imageHeight")), side(content.get("imageWidth"))
    image = AnnotatedImage(name, file, None, height, width, ())
    check_size(image, max_pixels)
    return image._replace(
        shapes=[_shape(image, shape, number) for number, shape in enumerate(shapes, 1)]
    )


def _shape(image: AnnotatedImage, content: dict[str, Any], number: int) -> Shape:
    label, kind = content.get("label"), content.get("shape_type") or "polygon"
    shape = Shape(f"shape {number}", None, str(kind), None)
    if not isinstance(label, str):
        raise image.error("annotation", "it has no label. Name it, or remove it.", shape)
    if shape.kind not in _FEWEST_POINTS:
        reason = (
            f"a {shape.kind} has no area. Draw a polygon, or remove it."
            if shape.kind in _WITHOUT_AREA
            else f"the shape_type {shape.kind!r} is not known. Draw a polygon, or remove it."
        )
        raise image.error("annotation", reason, shape)
    points = _points(image, shape, content.get("points"))
    outline = (points, content.get("mask")) if shape.kind == "mask" else points
    return shape._replace(category=None if label == _IGNORED else label, outline=outline)


def _points(image: AnnotatedImage, shape: Shape, content: Any) -> _Points:
    try:
        points = np.array(content, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    fewest = _FEWEST_POINTS[shape.kind]
    exactly = shape.kind != "polygon"
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < fewest:
        points = np.empty((0, 2))
    if not len(points) or (exactly and len(points) != fewest):
        reason = (
            f"a {shape.kind} needs {'' if exactly else 'at least '}{fewest} points of two numbers. "
            "Draw it again."
        )
        raise image.error("annotation", reason, shape)
    corners = points
    if shape.kind == "circle":
        radius = math.dist(*points)
        corners = np.array([points[0] - radius, points[0] + radius])
    check_extent(image, shape, corners)
    return points


def paint(image: AnnotatedImage, background: int, class_ids: Mapping[str | None, int]) -> ClassIds:
    """Draws the shapes of an image in the order of the file, so the later one is on top.

    Args:
      image: The image.
      background: Class id of the pixels outside all shapes.
      class_ids: Class id of each label; 255 for ignored pixels.

    Returns:
      Class ids, uint8 [height, width].

    Raises:
      PairError: The mask of a shape is invalid.
    """
    canvas = Image.new("L", (image.width, image.height), background)
    draw = ImageDraw.Draw(canvas)
    for shape in image.shapes:
        value = class_ids[shape.category]
        if shape.kind == "mask":
            _paste_mask(canvas, image, shape, value)
        elif shape.kind == "circle":
            centre, radius = shape.outline[0], math.dist(*shape.outline)
            box = [*(centre - radius), *(centre + radius)]
            draw.ellipse(box, fill=value, outline=value)
        elif shape.kind == "rectangle":
            box = [*shape.outline.min(0), *shape.outline.max(0)]
            draw.rectangle(box, fill=value, outline=value)
        else:
            draw.polygon([(x, y) for x, y in shape.outline], fill=value, outline=value)
    return np.array(canvas)


def _paste_mask(canvas: Image.Image, image: AnnotatedImage, shape: Shape, value: int) -> None:
    """Draws a shape that labelme stores as a PNG of its bounding box."""
    points, encoded = shape.outline
    (left, top), (right, bottom) = points.astype(int).tolist()
    size = (right - left + 1, bottom - top + 1)
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded)), formats=["PNG"]) as mask:
            fits = mask.size == size and mask.width * mask.height <= image.width * image.height
            pixels = np.asarray(mask.convert("L")) if fits else None
    except (TypeError, ValueError, OSError, SyntaxError):
        pixels = None
    if pixels is None or left < 0 or top < 0 or right >= image.width or bottom >= image.height:
        reason = "its mask is damaged, or does not have the size of its box. Draw it again."
        raise image.error("annotation", reason, shape)
    canvas.paste(value, (left, top), Image.fromarray((pixels > 0).astype(np.uint8) * 255))
