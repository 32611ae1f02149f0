"""Chooses images for the report's gallery and draws their masks, predictions and errors."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image
from typing_extensions import Self

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.metrics import iou, mean_of_defined
from components.report.contents import Card, CardGroup
from data.config import IGNORE
from data.examples import features
from data.examples.parsing import decode_image, decode_mask
from data.files.writing import new_file
from serving.overlay import errors, layer

_PER_TITLE = 6  # maximum number of images under a title
# Maximum total number of images under the titles `Worst of <class>`. Each class may show at least
# one image, even if there are more classes than this.
_WORST_OF_CLASSES = 60
_LONGEST_SIDE = 512  # maximum length of a picture's longer side in pixels
Predict = Callable[[bytes], npt.NDArray[np.uint8]]
"""Function that maps the bytes of an image file to the predicted mask, uint8 [height, width]."""
Save = Callable[[str, Image.Image], None]
"""Function that writes a picture to a path relative to the report's folder."""


def choose(
    read: Callable[[], Iterable[EvaluatedImage]], classes: Sequence[str]
) -> list[tuple[str, list[EvaluatedImage]]]:
    """Chooses the worst, median and best images, and the worst images for each class.

    Images are ranked by their mean IoU. Images without labelled pixels are left out.

    Args:
      read: Function that reads all evaluated images. The function is called twice, because the
        confusion matrices of all images may not fit into memory. The first pass keeps only the
        scores, and the second pass keeps only the chosen images.
      classes: Names of the classes, by class id.

    Returns:
      Titles with at most six images each. An image that fits several titles appears only under the
      first of these.
    """
    scored = (_Scored.of(image) for image in read())
    ordered = sorted((score for score in scored if score.mean == score.mean), key=lambda s: s[:2])
    keys = [score.key for score in ordered]
    middle = max(len(keys) // 2 - _PER_TITLE // 2, 0)
    titles = [("Worst", keys[:_PER_TITLE])]
    per_class = max(min(_PER_TITLE // 2, _WORST_OF_CLASSES // len(classes)), 1)
    for class_id, name in enumerate(classes):
        ious = ((score.ious[class_id], score.key) for score in ordered)
        worst = heapq.nsmallest(per_class, (pair for pair in ious if not np.isnan(pair[0])))
        titles.append((f"Worst of {name}", [key for _, key in worst]))
    titles += [
        ("Median", keys[middle : middle + _PER_TITLE]),
        ("Best", keys[: -_PER_TITLE - 1 : -1]),
    ]
    selected = {key for _, members in titles for key in members}
    images = {image.key: image for image in read() if image.key in selected}
    seen: set[str] = set()
    chosen = []
    for title, members in titles:
        unseen = [images[key] for key in members if key not in seen]
        seen |= {image.key for image in unseen}
        if unseen:
            chosen.append((title, unseen))
    return chosen


class _Scored(NamedTuple):
    mean: float
    key: str
    ious: npt.NDArray[np.float32]  # IoU of each class; NaN for classes not in the ground truth

    @classmethod
    def of(cls, image: EvaluatedImage) -> Self:
        by_class = iou(image.candidate.confusion_matrix)
        ious = np.where(image.candidate.confusion_matrix.sum(1) > 0, by_class, np.nan)
        return cls(mean_of_defined(by_class), image.key, ious.astype(np.float32))


def draw(
    chosen: Sequence[tuple[str, Sequence[EvaluatedImage]]],
    examples: Iterable[tf.train.Example],
    predict: Predict,
    save: Save,
) -> list[CardGroup]:
    """Draws the chosen images with their ground-truth masks, predictions and errors.

    Args:
      chosen: Titles and their images, as returned by `choose`.
      examples: Examples of the evaluated split, which are read one at a time to save memory.
      predict: Function that maps the bytes of an image file to the predicted mask.
      save: Function that writes a picture to a path relative to the report's folder.

    Returns:
      The cards of the images, grouped under their titles.
    """
    images = {image.key: image for _, members in chosen for image in members}
    folders = {key: f"pictures/{number}" for number, key in enumerate(sorted(images))}
    cards = {
        key: _card(images[key], folders[key], draw_layers(example, {"prediction": predict}), save)
        for key, example in find_examples(examples, images)
    }
    return [
        CardGroup(title=title, cards=[cards[image.key] for image in members])
        for title, members in chosen
    ]


def find_examples(
    examples: Iterable[tf.train.Example], keys: Iterable[str]
) -> Iterator[tuple[str, tf.train.Example]]:
    """Finds examples by key and stops reading once all keys have been found.

    Args:
      examples: The examples to search.
      keys: Keys of the pairs to find.

    Yields:
      The key and the example of each pair that is found, in the order of `examples`.
    """
    missing = set(keys)
    remaining = iter(examples)
    while missing and (example := next(remaining, None)) is not None:
        key = _bytes(example, features.KEY).decode()
        if key in missing:
            missing.remove(key)
            yield key, example


def draw_layers(example: tf.train.Example, models: Mapping[str, Predict]) -> dict[str, Image.Image]:
    """Draws an image, its ground-truth mask, and the prediction and errors of each model.

    Args:
      example: Example with the image and the mask.
      models: Prediction function of each model, by the model name to use in file names.

    Returns:
      The pictures by file name: `image.jpg`, `truth.png`, and for each model `<name>.png` and
      `<name>_errors.png`. All pictures have the same size, at most 512 pixels on the longer side.
    """
    encoded = _bytes(example, features.IMAGE)
    truth = decode_mask(_bytes(example, features.MASK)).numpy()
    size = _fit(truth.shape[1], truth.shape[0])
    photo = Image.fromarray(decode_image(encoded).numpy()).resize(size, Image.Resampling.BOX)
    small_truth = _shrink(truth, size)
    pictures = {"image.jpg": photo, "truth.png": layer(small_truth)}
    for name, predict in models.items():
        predicted = _shrink(np.where(truth == IGNORE, IGNORE, predict(encoded)), size)
        pictures[f"{name}.png"] = layer(predicted)
        pictures[f"{name}_errors.png"] = errors(small_truth, predicted)
    return pictures


def save_picture(path: str, picture: Image.Image) -> None:
    """Writes a picture as a PNG or JPEG file.

    Args:
      path: Path of the file, local or remote, which ends in `.png` or `.jpg`.
      picture: The picture.
    """
    with new_file(path) as file:
        picture.save(file, "JPEG" if path.endswith(".jpg") else "PNG")


def _card(
    image: EvaluatedImage, folder: str, pictures: Mapping[str, Image.Image], save: Save
) -> Card:
    for name, picture in pictures.items():
        save(str(PurePosixPath(folder, name)), picture)
    by_class = iou(image.candidate.confusion_matrix)
    before = None if image.baseline is None else _number(mean_of_defined(iou(image.baseline.confusion_matrix)))
    width, height = pictures["image.jpg"].size
    return Card(
        key=image.key,
        folder=folder,
        mean=_number(mean_of_defined(by_class)),
        before=before,
        ious=[_number(value) for value in by_class],
        present=np.flatnonzero(~np.isnan(by_class)).tolist(),
        width=width,
        height=height,
    )


def _fit(width: int, height: int) -> tuple[int, int]:
    factor = min(_LONGEST_SIDE / max(width, height), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _shrink(class_ids: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resizes a mask to (width, height) by nearest neighbour, as averaged ids are meaningless."""
    return np.asarray(
        Image.fromarray(class_ids.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    )


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _bytes(example: tf.train.Example, feature: str) -> bytes:
    value: bytes = example.features.feature[feature].bytes_list.value[0]
    return value
