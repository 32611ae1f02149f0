"""The gallery of the report: chooses images, and draws their masks, predictions and errors."""

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
from data.files import new_file
from serving.overlay import errors, layer

_PER_TITLE = 6  # number of images in a group
# maximum number of images over all groups of worst images; each class gets at least one
_WORST_OF_CLASSES = 60
_LONGEST_SIDE = 512  # longest side of a picture in pixels
Predict = Callable[[bytes], npt.NDArray[np.uint8]]
"""Function that maps an encoded image to the predicted class ids, uint8 [height, width]."""
Save = Callable[[str, Image.Image], None]
"""Function that writes a picture to a path relative to the report's folder."""


def choose(
    read: Callable[[], Iterable[EvaluatedImage]], classes: Sequence[str]
) -> list[tuple[str, list[EvaluatedImage]]]:
    """Chooses the worst, the median and the best images, and the worst images of each class.

    Args:
      read: Reads all evaluated images. The function is called twice, since the confusion matrices
        of all images might not fit into memory: the first pass keeps only scores.
      classes: Names of the classes, by class id.

    Returns:
      Titles, each with its images. An image that fits several titles is under the first of these.
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
    ious: npt.NDArray[np.float32]  # IoU of each class; NaN if the class is not in the truth

    @classmethod
    def of(cls, image: EvaluatedImage) -> Self:
        by_class = iou(image.candidate)
        ious = np.where(image.candidate.sum(1) > 0, by_class, np.nan)
        return cls(mean_of_defined(by_class), image.key, ious.astype(np.float32))


def draw(
    chosen: Sequence[tuple[str, Sequence[EvaluatedImage]]],
    examples: Iterable[tf.train.Example],
    predict: Predict,
    save: Save,
) -> list[CardGroup]:
    """Draws the chosen images with their true masks, predictions and errors.

    Args:
      chosen: Titles and their images, from `choose`.
      examples: Examples of the evaluated split; only one at a time is held in memory.
      predict: Maps an encoded image to the predicted mask, uint8 [height, width].
      save: Writes a picture to a path relative to the folder of the report.

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
    """Finds examples by key, and stops reading when all keys are found.

    Args:
      examples: The examples to search.
      keys: Keys of the pairs to find.

    Yields:
      Key and example of each pair found, in the order of `examples`.
    """
    missing = set(keys)
    remaining = iter(examples)
    while missing and (example := next(remaining, None)) is not None:
        key = _bytes(example, features.KEY).decode()
        if key in missing:
            missing.remove(key)
            yield key, example


def draw_layers(example: tf.train.Example, models: Mapping[str, Predict]) -> dict[str, Image.Image]:
    """Draws an image, its true mask, and the predictions and errors of models.

    Args:
      example: Example with the image and the mask.
      models: Prediction function of each model, by the name that the files get.

    Returns:
      File name to picture: `image.jpg`, `truth.png`, and for each model `<name>.png` and
      `<name>_errors.png`. All have the same size, at most 512 pixels on the longer side.
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
    by_class = iou(image.candidate)
    before = None if image.baseline is None else _number(mean_of_defined(iou(image.baseline)))
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
    """Resizes a mask by nearest neighbour, since class ids cannot be interpolated."""
    return np.asarray(
        Image.fromarray(class_ids.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    )


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _bytes(example: tf.train.Example, feature: str) -> bytes:
    value: bytes = example.features.feature[feature].bytes_list.value[0]
    return value
