"""The report's pictures: which images are shown, and how."""

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
from serving.overlay import errors, layer

_EACH = 6  # images of a kind
_OF_CLASSES = 60  # images that are among the worst of their class, in all, or one of each class
_SIDE = 512  # pixels of a picture, at most
Predict = Callable[[bytes], npt.NDArray[np.uint8]]
"""A model: from an image's bytes to class ids, uint8 [height, width]."""
Save = Callable[[str, Image.Image], None]
"""Writes a picture under a path within the report's folder."""


def choose(
    read: Callable[[], Iterable[EvaluatedImage]], classes: Sequence[str]
) -> list[tuple[str, list[EvaluatedImage]]]:
    """Chooses what is shown: the worst, the median and the best images, and each class's worst.

    Args:
      read: Reads all images that were evaluated. It is called twice, since all of their confusion
        matrices would not fit into memory: the first time only the scores are kept.
      classes: Names of the classes.

    Returns:
      Titles, and the images below them; an image is under the first of its titles alone.
    """
    scored = (_Scored.of(image) for image in read())
    ordered = sorted((score for score in scored if score.mean == score.mean), key=lambda s: s[:2])
    keys = [score.key for score in ordered]
    middle = max(len(keys) // 2 - _EACH // 2, 0)
    titles = [("Worst", keys[:_EACH])]
    of_a_class = max(min(_EACH // 2, _OF_CLASSES // len(classes)), 1)
    for class_id, name in enumerate(classes):
        having = ((score.ious[class_id], score.key) for score in ordered)
        worst = heapq.nsmallest(of_a_class, (one for one in having if not np.isnan(one[0])))
        titles.append((f"Worst of {name}", [key for _, key in worst]))
    titles += [("Median", keys[middle : middle + _EACH]), ("Best", keys[: -_EACH - 1 : -1])]
    found = {key for _, members in titles for key in members}
    images = {image.key: image for image in read() if image.key in found}
    seen: set[str] = set()
    chosen = []
    for title, members in titles:
        fresh = [images[key] for key in members if key not in seen]
        seen |= {image.key for image in fresh}
        if fresh:
            chosen.append((title, fresh))
    return chosen


class _Scored(NamedTuple):
    mean: float
    key: str
    ious: npt.NDArray[np.float32]  # NaN for classes that are not in the truth

    @classmethod
    def of(cls, image: EvaluatedImage) -> Self:
        by_class = iou(image.candidate)
        there = np.where(image.candidate.sum(1) > 0, by_class, np.nan)
        return cls(mean_of_defined(by_class), image.key, there.astype(np.float32))


def draw(
    chosen: Sequence[tuple[str, Sequence[EvaluatedImage]]],
    examples: Iterable[tf.train.Example],
    predict: Predict,
    save: Save,
) -> list[CardGroup]:
    """Draws the chosen images.

    Args:
      chosen: From `choose`.
      examples: Of the split they are from; one is in memory at a time.
      predict: The model.
      save: Writes a picture.

    Returns:
      Titles and cards.
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
    """Finds some examples, and reads no further than the last of them.

    Args:
      examples: To search.
      keys: The pairs'.

    Yields:
      Key and example, one at a time.
    """
    missing = set(keys)
    remaining = iter(examples)
    while missing and (example := next(remaining, None)) is not None:
        key = _bytes(example, features.KEY).decode()
        if key in missing:
            missing.remove(key)
            yield key, example


def draw_layers(example: tf.train.Example, models: Mapping[str, Predict]) -> dict[str, Image.Image]:
    """Draws an image, what is true of it, and what models make of it, at most 512 pixels large.

    Args:
      example: The pair.
      models: Name to model.

    Returns:
      File name to picture: `image.jpg`, `truth.png`, and `<name>.png` and `<name>_errors.png` for
      each model, all of one size.
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
