"""A SavedModel as a client sees it: its signatures, and nothing else."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from data.errors import InputError
from serving.config import MAX_PIXELS
from serving.graph import DESCRIPTION, WEIGHT
from serving.prediction import Prediction, predictions_of
from serving.protocol import CLASS_FRACTION, CONFIDENCE, IMAGES, MASKS, SIGNATURE
from serving.push import versions
from serving.reasons import reason


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

        Raises:
          InputError: One of them is no image that TensorFlow decodes, or there is no memory for it.
        """
        try:
            answer = self._model.signatures[SIGNATURE](
                **{IMAGES: tf.constant(list(images), tf.string)}
            )
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
            raise InputError(f"cannot be segmented ({reason(error).rstrip('.')}).") from error
        return predictions_of(
            answer[MASKS].numpy(),
            answer[CLASS_FRACTION].numpy(),
            answer[CONFIDENCE].numpy(),
        )


def model_description(path: str) -> dict[str, Any]:
    """Reads what a SavedModel tells of itself, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      What `export_saved_model` was told, and the weights' names.

    Raises:
      tf.errors.NotFoundError: There is no such model, or its files are gone.
    """
    with tf.io.gfile.GFile(os.path.join(path, DESCRIPTION)) as file:
        description: dict[str, Any] = json.loads(file.read())
    return description


def model_classes(path: str) -> list[str]:
    """Reads the class names of a SavedModel, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      The names, by class id.

    Raises:
      tf.errors.NotFoundError: There is no such model, or its files are gone.
    """
    classes: list[str] = model_description(path)["classes"]
    return classes


def model_intensity_range(path: str) -> tuple[int, int] | None:
    """Reads which 16-bit samples a SavedModel takes for 0 and 255, without loading it.

    Args:
      path: Of a SavedModel that this project exported.

    Returns:
      The two samples, or None for the upper 8 of the 16 bits.
    """
    found = model_description(path).get("intensity_range")
    return None if found is None else (found[0], found[1])


def model_max_pixels(path: str) -> int:
    """Reads how many pixels an image may have, without loading the SavedModel.

    Args:
      path: Of a SavedModel that this project exported.
    """
    found: int = model_description(path).get("max_pixels", MAX_PIXELS)
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
    names = model_description(path).get("weights", [])
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
    return os.path.join(serving_folder, _pushed(serving_folder)[0])


def pushed_version(serving_folder: str, version: int) -> str:
    """Finds a pushed version.

    Args:
      serving_folder: As for `newest_version`.
      version: Its number.

    Returns:
      The version's folder.

    Raises:
      InputError: That version was never pushed there, or is there no more.
    """
    found = _pushed(serving_folder)
    for name in found:
        if int(name) == version:
            return os.path.join(serving_folder, name)
    known = ", ".join(reversed(found))
    raise InputError(f"{serving_folder}: no version {version} there, only {known}.")


def _pushed(serving_folder: str) -> list[str]:
    found = versions(serving_folder)
    if not found:
        raise InputError(
            f"{serving_folder}: no pushed model there. Run the pipeline first: unetfx run"
        )
    return found
