"""An image with the outlines of its objects, as all readers of annotations give it."""

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.class_names import class_key
from data.config import IGNORE
from data.config.class_tables import LABELME_BACKGROUND
from data.config.sources import AnnotationSource, SplitName
from data.errors import InputError, PairError, nearest
from data.files.paths import join, relative_path
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes

ClassIds = npt.NDArray[np.uint8]

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")  # as escapes, JSON may contain halves of a pair
_LONGEST = 250  # length of a file name in bytes, with space for another suffix
_MOST_CATEGORIES = 5  # maximum number of categories listed in a message


class Shape(NamedTuple):
    """An object in an image.

    Attributes:
      name: Text that identifies the object within its file, such as `annotation 7`.
      category: Name of the category or label; None if the pixels are ignored (a crowd).
      kind: Kind of the outline, such as `polygon`.
      outline: The outline, as the file gives it.
    """

    name: str
    category: str | None
    kind: str
    outline: Any


class AnnotatedImage(NamedTuple):
    """An image with its objects.

    Attributes:
      file: Path of the JSON file, relative to the source's path.
      image: Path of the image file, relative to the source's path.
      split: Split of the image if the source assigns one, otherwise None.
      height: Height in pixels.
      width: Width in pixels.
      shapes: The objects, in the order of the file.
    """

    file: str
    image: str
    split: SplitName | None
    height: int
    width: int
    shapes: Sequence[Shape]

    def error(self, kind: str, reason: str, shape: Shape | None = None) -> PairError:
        """Returns an error that names the file, the image and, if given, the object."""
        within = f"{self.image}, {shape.name}" if shape else self.image
        return PairError(kind, f"{self.file} ({within})", reason)


def image_path(name: object, folder: str, root: str, place: str) -> str:
    """Returns the path of an image that a JSON file names, relative to the source's path.

    Args:
      name: Path in the JSON file; a backslash counts as a slash.
      folder: Folder to which the path is relative, local or remote.
      root: Path of the source.
      place: Place of the name, for messages.

    Raises:
      PairError: The path is not that of an image below `root`.
    """
    if not isinstance(name, str) or not name or _NOT_TEXT.search(name):
        raise PairError("annotation", place, "the name of the image is not text. Correct it.")
    path = join(folder, name.replace("\\", "/"))
    inside = relative_path(path, root)
    if inside is None or "://" in name:
        reason = f"the path leads out of {root}. Write it relative to the folder of the images."
        raise PairError("outside_root", f"{place} ({name})", reason)
    if posixpath.splitext(inside)[1].lower() not in IMAGE_SUFFIXES:
        reason = f"not an image suffix (expected {expected_suffixes()}). Remove the image."
        raise PairError("not_an_image", f"{place} ({name})", reason)
    if max(len(part.encode()) for part in inside.split("/")) > _LONGEST:
        reason = f"a name of more than {_LONGEST} bytes. Rename the image."
        raise PairError("annotation", f"{place} ({name[:_LONGEST]}…)", reason)
    return inside


def side(value: Any) -> int:
    """Returns a height or width from a JSON file; 0 if it is not a whole number."""
    whole = isinstance(value, float) and value.is_integer()
    return value if type(value) is int else int(value) if whole else 0


def check_size(image: AnnotatedImage, max_pixels: int) -> None:
    """Raises a PairError if the height and the width in the JSON file cannot be right."""
    if image.height <= 0 or image.width <= 0:
        reason = "the file does not give the image's height and width. Export it again."
        raise image.error("annotation", reason)
    if image.height * image.width > max_pixels:
        reason = (
            f"the file says that the image has {image.width}×{image.height} pixels, more than "
            f"data.max_pixels ({max_pixels}). Correct it, or raise the limit."
        )
        raise image.error("too_large", reason)


def check_extent(image: AnnotatedImage, shape: Shape, points: npt.NDArray[np.float64]) -> None:
    """Raises a PairError if points are no numbers, or are not in or near the image.

    A part outside the image is cut off. But points that are farther away than the image is wide or
    high have another cause, and would take much time to draw.

    Args:
      image: The image.
      shape: The object.
      points: Points x, y that enclose the object, [N, 2].
    """
    if not np.isfinite(points).all():
        raise image.error(
            "annotation", "a coordinate is not a finite number. Draw it again.", shape
        )
    size = np.array([image.width, image.height])
    low, high = points.min(0), points.max(0)
    if (high <= 0).any() or (low >= size).any():
        where = "lies outside the image"
    elif (low < -size).any() or (high > 2 * size).any():
        where = "extends far beyond the image"
    else:
        return
    reason = (
        f"the object {where}, which has {image.width}×{image.height} pixels by the file. Remove "
        "the object, or correct the size."
    )
    raise image.error("annotation", reason, shape)


class ClassesOfCategories:
    """Finds the class of a category by its name."""

    def __init__(self, source: AnnotationSource, classes: Sequence[str]) -> None:
        """Initialises the object.

        Args:
          source: Config of the source.
          classes: Names of the classes.
        """
        ids = {name: class_id for class_id, name in enumerate(classes)}
        self._classes = classes
        self._of_key = {class_key(name): class_id for name, class_id in ids.items()}
        self.background = IGNORE if source.background is None else ids[source.background]
        self._given = {LABELME_BACKGROUND: self.background} | {
            name: IGNORE if of_class is None else ids[of_class]
            for name, of_class in source.categories.items()
        }

    def ids(self, images: Iterable[AnnotatedImage]) -> dict[str | None, int]:
        """Returns the class ids of all categories that occur in some images.

        Args:
          images: The images.

        Returns:
          The class id of each category. 255 if it is ignored; None stands for crowds.

        Raises:
          InputError: A category has no class.
        """
        used = dict.fromkeys(shape.category for image in images for shape in image.shapes)
        found = {category: self._class_id(category) for category in used}
        if unknown := [str(name) for name, class_id in found.items() if class_id is None]:
            raise InputError(self._advice(unknown))
        return {name: class_id for name, class_id in found.items() if class_id is not None}

    def _class_id(self, category: str | None) -> int | None:
        if category is None:
            return IGNORE
        if category in self._given:
            return self._given[category]
        return self._of_key.get(class_key(category))

    def _advice(self, unknown: Sequence[str]) -> str:
        shown = ", ".join(map(repr, unknown[:_MOST_CATEGORIES]))
        more = len(unknown) - _MOST_CATEGORIES
        shown += f" and {more} more" if more > 0 else ""
        noun = "category" if len(unknown) == 1 else "categories"
        hint = nearest(unknown[0], self._classes)
        return (
            f"data.classes: no class for the {noun} {shown}{hint}. Add them to data.classes, or "
            f"write, under data.source: categories: {{{unknown[0]}: {self._classes[0]}}}; "
            "null instead of a class means that the pixels are ignored."
        )
