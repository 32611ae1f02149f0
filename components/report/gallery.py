"""Draws the masks, predictions and errors of the images in the report's gallery."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from components.evaluator.metrics import Counts, class_areas, iou, mean_of_defined
from components.report.contents import Card, CardGroup, ErrorArea
from components.report.largest_error import find_largest_error
from components.report.ranking import RankedImage
from data.config import IGNORE
from data.examples import features
from data.examples.parsing import decode_image, decode_mask
from data.files.writing import new_file
from serving.data_url import class_ids_url
from serving.overlay import errors, layer

_LONGEST_SIDE = 512  # maximum length of a picture's longer side in pixels
_Pixels = npt.NDArray[np.uint8]
Predict = Callable[[bytes], _Pixels]
"""Function that maps the bytes of an image file to the predicted mask, uint8 [height, width]."""
Save = Callable[[str, Image.Image], None]
"""Function that writes a picture to a path relative to the report's folder."""


def draw(
    chosen: Sequence[tuple[str, Sequence[RankedImage]]],
    examples: Iterable[tf.train.Example],
    predict: Predict,
    save: Save,
) -> list[CardGroup]:
    """Draws the chosen images with their ground-truth masks, predictions and errors.

    Args:
      chosen: Titles and their images, as returned by `ranking.choose`.
      examples: Examples of the evaluated split, which are read one at a time to save memory.
      predict: Function that maps the bytes of an image file to the predicted mask.
      save: Function that writes a picture to a path relative to the report's folder.

    Returns:
      The cards of the images, grouped under their titles.
    """
    images = {ranked.image.key: ranked for _, members in chosen for ranked in members}
    folders = {key: f"pictures/{number}" for number, key in enumerate(sorted(images))}
    cards = {
        key: _card(images[key], folders[key], example, predict, save)
        for key, example in find_examples(examples, images)
    }
    return [
        CardGroup(title=title, cards=[cards[ranked.image.key] for ranked in members])
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


class Drawing(NamedTuple):
    """Pictures of an image with masks.

    Attributes:
      pictures: The pictures, by file name. All have the same size.
      ids: `data:` URLs of small pictures of the class ids, by the names of the masks.
    """

    pictures: dict[str, Image.Image]
    ids: dict[str, str]


def draw_layers(example: tf.train.Example, models: Mapping[str, Predict]) -> Drawing:
    """Draws an image, its ground-truth mask, and the prediction and errors of each model.

    Args:
      example: Example with the image and the mask.
      models: Prediction function of each model, by the model name to use in file names.

    Returns:
      The pictures `image.jpg`, `truth.png`, and for each model `<name>.png` and
      `<name>_errors.png`, of at most 512 pixels on the longer side; and the class ids of `truth`
      and of each model.
    """
    encoded = _bytes(example, features.IMAGE)
    photo, truth = _decode(example)
    return _drawing(photo, truth, {name: predict(encoded) for name, predict in models.items()})


def save_picture(path: str, picture: Image.Image) -> None:
    """Writes a picture as a PNG or JPEG file.

    Args:
      path: Path of the file, local or remote, which ends in `.png` or `.jpg`.
      picture: The picture.
    """
    with new_file(path) as file:
        picture.save(file, "JPEG" if path.endswith(".jpg") else "PNG")


def _card(
    ranked: RankedImage, folder: str, example: tf.train.Example, predict: Predict, save: Save
) -> Card:
    photo, truth = _decode(example)
    predicted = predict(_bytes(example, features.IMAGE))

    def draw_part(folder: str, rows: slice, columns: slice) -> dict[str, Any]:
        part = rows, columns
        drawing = _drawing(photo[part], truth[part], {"prediction": predicted[part]})
        for name, picture in drawing.pictures.items():
            save(str(PurePosixPath(folder, name)), picture)
        width, height = drawing.pictures["image.jpg"].size
        return {"folder": folder, "width": width, "height": height, "ids": drawing.ids}

    image, error = ranked.image, None
    by_class = _class_ious(image.candidate)
    whole = draw_part(folder, slice(None), slice(None))
    if found := find_largest_error(truth, predicted):
        error = ErrorArea(
            **draw_part(f"{folder}/error", found.rows, found.columns),
            pixels=found.pixels,
            truth=found.truth,
            predicted=found.predicted,
        )
    return Card(
        **whole,
        key=image.key,
        mean=_number(mean_of_defined(by_class)),
        before=image.baseline and _number(mean_of_defined(_class_ious(image.baseline))),
        ious=[_number(value) for value in by_class],
        present=np.flatnonzero(~np.isnan(by_class)).tolist(),
        cost=ranked.cost,
        costs=[None if np.isnan(cost) else float(cost) for cost in ranked.costs],
        wrong=ranked.wrong,
        share=ranked.share,
        error=error,
    )


def _decode(example: tf.train.Example) -> tuple[_Pixels, _Pixels]:
    """Returns the image, uint8 [height, width, 3], and the mask, uint8 [height, width]."""
    photo = decode_image(_bytes(example, features.IMAGE)).numpy()
    return photo, decode_mask(_bytes(example, features.MASK)).numpy()


def _drawing(photo: _Pixels, truth: _Pixels, predictions: Mapping[str, _Pixels]) -> Drawing:
    size = _fit(truth.shape[1], truth.shape[0])
    small_photo = Image.fromarray(photo).resize(size, Image.Resampling.BOX)
    small_truth = _shrink(truth, size)
    pictures = {"image.jpg": small_photo, "truth.png": layer(small_truth)}
    for name, class_ids in predictions.items():
        predicted = _shrink(np.where(truth == IGNORE, IGNORE, class_ids), size)
        pictures[f"{name}.png"] = layer(predicted)
        pictures[f"{name}_errors.png"] = errors(small_truth, predicted)
    masks = {"truth": truth, **predictions}
    return Drawing(pictures, {name: class_ids_url(mask) for name, mask in masks.items()})


def _fit(width: int, height: int) -> tuple[int, int]:
    factor = min(_LONGEST_SIDE / max(width, height), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _shrink(class_ids: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resizes a mask to (width, height) by nearest neighbour, as averaged ids are meaningless."""
    return np.asarray(
        Image.fromarray(class_ids.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    )


def _class_ious(counts: Counts) -> npt.NDArray[np.float64]:
    return iou(class_areas(counts.confusion_matrix))


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _bytes(example: tf.train.Example, feature: str) -> bytes:
    value: bytes = example.features.feature[feature].bytes_list.value[0]
    return value
