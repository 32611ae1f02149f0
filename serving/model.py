"""A SavedModel as a client sees it: its signatures, and nothing else."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data.errors import InputError
from serving.config import MAX_PIXELS
from serving.graph import DESCRIPTION, WEIGHT
from serving.push import versions


class Prediction(NamedTuple):
    """The answer for one image.

    Attributes:
      mask_png: The bytes of a one-channel PNG of class ids, of the image's size.
      class_ids: The same, decoded: uint8 [height, width].
      class_fraction: float32 [C], each class's share of the pixels.
      confidence: Mean over the pixels of the greatest probability, 1/C..1.
    """

    mask_png: bytes
    class_ids: npt.NDArray[np.uint8]
    class_fraction: npt.NDArray[np.float32]
    confidence: float


class ServedModel:
    """A loaded SavedModel.

    Attributes:
      classes: Names of the classes, by class id.
    """

    def __init__(self, path: str) -> None:
        """Loads a model.

        Args:
          path: Of a SavedModel that this project exported.
        """
        self._model = tf.saved_model.load(path)
        self.classes = model_classes(path)

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Segments images.

        Args:
          images: The bytes of PNG, JPEG, BMP or GIF files, of any sizes.

        Returns:
          A Prediction for each.
        """
        answer = self._model.signatures["serving_default"](
            image_bytes=tf.constant(list(images), tf.string)
        )
        masks = answer["mask_png_bytes"].numpy()
        return [
            Prediction(mask, tf.io.decode_png(mask).numpy()[..., 0], fractions, float(confidence))
            for mask, fractions, confidence in zip(
                masks, answer["class_fraction"].numpy(), answer["confidence"].numpy(), strict=True
            )
        ]


def model_classes(path: str) -> list[str]:
    """Reads the class names of a SavedModel, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      The names, by class id.

    Raises:
      tf.errors.NotFoundError: There is no such model, or its files are gone.
    """
    classes: list[str] = _description(path)["classes"]
    return classes


def model_intensity_range(path: str) -> tuple[int, int] | None:
    """Reads which 16-bit samples a SavedModel takes for 0 and 255, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      The two samples, or None for the upper 8 of the 16 bits.
    """
    found = _description(path).get("intensity_range")
    return None if found is None else (found[0], found[1])


def model_max_pixels(path: str) -> int:
    """Reads how many pixels an image may have, without loading the SavedModel.

    Args:
      path: Of a SavedModel that this project exported.
    """
    found: int = _description(path).get("max_pixels", MAX_PIXELS)
    return found


def model_weights(path: str) -> dict[str, npt.NDArray[Any]]:
    """Reads the weights of a SavedModel, statistics of normalisation included, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      Keras' path of each weight (`decoder1_conv1/kernel`) to its value, in the network's order;
      empty for a model that was exported before its weights had names.

    Raises:
      tf.errors.NotFoundError: There is no such model, or its files are gone.
    """
    names = _description(path).get("weights", [])
    checkpoint = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
    return {name: checkpoint.get_tensor(WEIGHT.format(i)) for i, name in enumerate(names)}


def newest_version(serving_folder: str) -> str:
    """Finds the newest pushed version, as TF Serving would.

    Args:
      serving_folder: With one sub-folder, named by a number, for each version.

    Returns:
      The newest version's folder.

    Raises:
      InputError: No model was ever pushed there.
    """
    found = versions(serving_folder)
    if not found:
        raise InputError(
            f"{serving_folder}: no pushed model there. Run the pipeline first: unetfx run"
        )
    return os.path.join(serving_folder, found[0])


def _description(path: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(os.path.join(path, DESCRIPTION)) as file:
        description: dict[str, Any] = json.loads(file.read())
    return description
