"""The description file of a SavedModel: classes, view, pixel limit, names of the weights."""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from data.files import read_text, write_text
from serving.config import MAX_PIXELS

DESCRIPTION = "assets.extra/unetfx.json"
"""Path of the description file in the SavedModel; TF Serving ignores the file."""
# Key of a weight in the SavedModel's checkpoint; `_weights` is an attribute of `ServingGraph`.
_WEIGHT_KEY = "_weights/{}/.ATTRIBUTES/VARIABLE_VALUE"


def write_description(path: str, description: Mapping[str, Any]) -> None:
    """Writes the description of a SavedModel.

    Args:
      path: Folder of the SavedModel.
      description: Classes, view, pixel limit and the other arguments of `export_saved_model`, and
        under `weights` the names of the network's weights, in the same order as `network.weights`.
    """
    write_text(os.path.join(path, DESCRIPTION), json.dumps(description, indent=2))


def model_description(path: str) -> dict[str, Any]:
    """Reads the description of a SavedModel without loading the model.

    Args:
      path: Folder of a SavedModel that this project exported.

    Returns:
      The description, with the keys `classes`, `view`, `max_pixels`, and others.

    Raises:
      MissingFileError: The folder does not exist or has no description.
    """
    description: dict[str, Any] = json.loads(read_text(os.path.join(path, DESCRIPTION)))
    return description


def model_classes(path: str) -> list[str]:
    """Reads the class names of a SavedModel without loading the model.

    Args:
      path: Folder of a SavedModel that this project exported.

    Returns:
      The names, by class id.

    Raises:
      MissingFileError: The folder does not exist or has no description.
    """
    classes: list[str] = model_description(path)["classes"]
    return classes


def model_intensity_range(path: str) -> tuple[int, int] | None:
    """Reads the two sample values of 16-bit images that a SavedModel maps to 0 and 255.

    Args:
      path: Folder of a SavedModel that this project exported.

    Returns:
      The two sample values, or None if the model uses the upper 8 of the 16 bits.
    """
    intensity_range = model_description(path).get("intensity_range")
    return None if intensity_range is None else (intensity_range[0], intensity_range[1])


def model_max_pixels(path: str) -> int:
    """Reads the maximum number of pixels that a SavedModel accepts in an image.

    Args:
      path: Folder of a SavedModel that this project exported.

    Returns:
      The number; `MAX_PIXELS` for an older model whose description lacks the number.
    """
    max_pixels: int = model_description(path).get("max_pixels", MAX_PIXELS)
    return max_pixels


def model_weights(path: str) -> dict[str, npt.NDArray[Any]]:
    """Reads the weights of a SavedModel, including the moving statistics of normalisation layers.

    Args:
      path: Folder of a SavedModel that this project exported.

    Returns:
      Each weight by its Keras path (`decoder1_conv1/kernel`), in the same order as in the Keras
      network; empty for an older model whose description does not list the weights.

    Raises:
      MissingFileError: The folder does not exist or has no description.
      tf.errors.NotFoundError: The weights are missing.
    """
    names = model_description(path).get("weights", [])
    checkpoint = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
    return {name: checkpoint.get_tensor(_WEIGHT_KEY.format(i)) for i, name in enumerate(names)}
