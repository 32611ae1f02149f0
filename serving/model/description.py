"""The description that a SavedModel carries: classes, pixel limits, names of the weights."""

import json
import os
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from serving.config import MAX_PIXELS
from serving.model.graph import DESCRIPTION, WEIGHT


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
