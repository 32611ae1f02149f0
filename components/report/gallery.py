"""The report's pictures: which images are shown, and how."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from components.evaluator.images import EvaluatedImage
from components.evaluator.metrics import iou, mean_of_defined
from data import features
from data.config import IGNORE
from data.parsing import decode_image, decode_mask
from serving.overlay import errors, layer

_EACH = 6  # images of a kind
_SIDE = 512  # pixels of a picture, at most
Save = Callable[[str, Image.Image], None]
"""Writes a picture under a path within the report's folder."""


class Card(NamedTuple):
    """An image on the page.

    Attributes:
      key: The pair's.
      folder: Of its pictures, within the report's.
      mean: Mean IoU over the classes that occur; None if nothing is labelled.
      before: The same of the last blessed model; None if there is none.
      ious: Each class's IoU, by class id; None for one that does not occur.
      present: Ids of the classes in truth or prediction.
      width: Of its pictures, in pixels.
      height: Of its pictures, in pixels.
    """

    key: str
    folder: str
    mean: float | None
    before: float | None
    ious: list[float | None]
    present: list[int]
    width: int
    height: int


def choose(
    images: Iterable[EvaluatedImage], classes: Sequence[str]
) -> list[tuple[str, list[EvaluatedImage]]]:
    """Chooses what is shown: the worst, the median and the best images, and each class's worst.

    Args:
      images: All that were evaluated.
      classes: Names of the classes.

    Returns:
      Titles, and the images below them; an image is under the first of its titles alone.
    """
    scored = [(mean_of_defined(iou(image.candidate)), image.key, image) for image in images]
    ordered = [image for score, _, image in sorted(scored, key=lambda s: s[:2]) if score == score]
    middle = max(len(ordered) // 2 - _EACH // 2, 0)
    titles = [("Worst", ordered[:_EACH])]
    for class_id, name in enumerate(classes):
        of_class = [
            (iou(image.candidate)[class_id], image.key, image)
            for image in ordered
            if image.candidate[class_id].sum()
        ]
        worst = [image for _, _, image in sorted(of_class, key=lambda s: s[:2])[: _EACH // 2]]
        titles.append((f"Worst of {name}", worst))
    titles += [
        ("Median", ordered[middle : middle + _EACH]),
        ("Best", ordered[: -_EACH - 1 : -1]),
    ]
    seen: set[str] = set()
    chosen = []
    for title, members in titles:
        fresh = [image for image in members if image.key not in seen]
        seen |= {image.key for image in fresh}
        if fresh:
            chosen.append((title, fresh))
    return chosen


def draw(
    chosen: Sequence[tuple[str, Sequence[EvaluatedImage]]],
    examples: Iterable[tf.train.Example],
    predict: Callable[[bytes], npt.NDArray[np.uint8]],
    save: Save,
) -> list[tuple[str, list[Card]]]:
    """Draws the chosen images.

    Args:
      chosen: From `choose`.
      examples: Of the split they are from.
      predict: From an image's bytes to class ids, uint8 [height, width].
      save: Writes a picture.

    Returns:
      Titles and cards.
    """
    keys = {image.key for _, images in chosen for image in images}
    found = {key: example for key, example in _by_key(examples) if key in keys}
    numbers = {key: number for number, key in enumerate(sorted(keys))}
    return [
        (
            title,
            [
                _card(image, f"pictures/{numbers[image.key]}", found[image.key], predict, save)
                for image in images
            ],
        )
        for title, images in chosen
    ]


def _by_key(examples: Iterable[tf.train.Example]) -> Iterator[tuple[str, tf.train.Example]]:
    for example in examples:
        yield _bytes(example, features.KEY).decode(), example


def _card(
    image: EvaluatedImage,
    folder: str,
    example: tf.train.Example,
    predict: Callable[[bytes], npt.NDArray[np.uint8]],
    save: Save,
) -> Card:
    encoded = _bytes(example, features.IMAGE)
    truth = decode_mask(_bytes(example, features.MASK)).numpy()
    predicted = np.where(truth == IGNORE, IGNORE, predict(encoded))
    size = _fit(truth.shape[1], truth.shape[0])
    truth, predicted = (_shrink(ids, size) for ids in (truth, predicted))
    photo = Image.fromarray(decode_image(encoded).numpy()).resize(size, Image.Resampling.BOX)
    pictures: Mapping[str, Image.Image] = {
        "image.jpg": photo,
        "truth.png": layer(truth),
        "prediction.png": layer(predicted),
        "errors.png": errors(truth, predicted),
    }
    for name, picture in pictures.items():
        save(str(PurePosixPath(folder, name)), picture)
    by_class = iou(image.candidate)
    before = None if image.baseline is None else _number(mean_of_defined(iou(image.baseline)))
    return Card(
        key=image.key,
        folder=folder,
        mean=_number(mean_of_defined(by_class)),
        before=before,
        ious=[_number(value) for value in by_class],
        present=np.flatnonzero(~np.isnan(by_class)).tolist(),
        width=size[0],
        height=size[1],
    )


def _fit(width: int, height: int) -> tuple[int, int]:
    factor = min(_SIDE / max(width, height), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _shrink(class_ids: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """By nearest neighbour: nothing lies between two class ids."""
    return np.asarray(
        Image.fromarray(class_ids.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    )


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _bytes(example: tf.train.Example, feature: str) -> bytes:
    value: bytes = example.features.feature[feature].bytes_list.value[0]
    return value
