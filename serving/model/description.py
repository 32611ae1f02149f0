"""Reads and writes a SavedModel's description file: classes, view, pixel limit and weight names."""

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from data.files.reading import read_text
from data.files.writing import write_text
from serving.config import MAX_PIXELS

DESCRIPTION = "assets.extra/unetfx.json"
"""Path of the description file within the SavedModel; TF Serving ignores the file.
"""
# Key of the weight with a given index in the SavedModel's checkpoint; `_weights` is the attribute
# of `ServingGraph` that holds the weights.
_WEIGHT_KEY = "_weights/{}/.ATTRIBUTES/VARIABLE_VALUE"
_WEIGHT = re.compile(_WEIGHT_KEY.format(r"\d+"))


def write_description(path: str, description: Mapping[str, Any]) -> None:
    """Writes the description file of a SavedModel.

    Args:
      path: Folder of the SavedModel.
      description: Classes, view, pixel limit and the other keyword arguments of
        `export_saved_model`, and, under the key `weights`, the names of the weights in the order of
        `network.weights`.
    """
    write_text(os.path.join(path, DESCRIPTION), json.dumps(description, indent=2))


def model_description(path: str) -> dict[str, Any]:
    """Reads the description of a SavedModel without loading the model.

    Args:
      path: Folder of a SavedModel exported by this project.

    Returns:
      The description, with `classes`, `view`, `max_pixels` and other keys.

    Raises:
      MissingFileError: The folder does not exist or has no description.
    """
    description: dict[str, Any] = json.loads(read_text(os.path.join(path, DESCRIPTION)))
    return description


def model_classes(path: str) -> list[str]:
    """Reads the class names of a SavedModel without loading the model.

    Args:
      path: Folder of a SavedModel exported by this project.

    Returns:
      The class names, indexed by class id.

    Raises:
      MissingFileError: The folder does not exist or has no description.
    """
    classes: list[str] = model_description(path)["classes"]
    return classes


def model_intensity_range(path: str) -> tuple[int, int] | None:
    """Reads the two 16-bit sample values that a SavedModel maps to 0 and 255.

    Args:
      path: Folder of a SavedModel exported by this project.

    Returns:
      The two sample values, or None if the model uses only the upper 8 bits of each sample.
    """
    intensity_range = model_description(path).get("intensity_range")
    return None if intensity_range is None else (intensity_range[0], intensity_range[1])


def model_max_pixels(path: str) -> int:
    """Reads the maximum number of pixels that a SavedModel accepts per image.

    Args:
      path: Folder of a SavedModel exported by this project.

    Returns:
      The limit, or `MAX_PIXELS` for an older model whose description does not contain the limit.
    """
    max_pixels: int = model_description(path).get("max_pixels", MAX_PIXELS)
    return max_pixels


def count_parameters(path: str) -> int:
    """Counts the parameters of a SavedModel, including moving statistics, without loading them.

    Args:
      path: Folder of a SavedModel exported by this project.
    """
    checkpoint = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
    shapes = checkpoint.get_variable_to_shape_map()
    return sum(math.prod(shape) for key, shape in shapes.items() if _WEIGHT.fullmatch(key))


def model_weights(path: str) -> dict[str, npt.NDArray[Any]]:
    """Reads the weights of a SavedModel, including the moving statistics of normalisation layers.

    Args:
      path: Folder of a SavedModel exported by this project.

    Returns:
      The weights, keyed by Keras path (such as `decoder1_conv1/kernel`), in the order of the Keras
      network; empty for an older model whose description does not list the weights.

    Raises:
      MissingFileError: The folder does not exist or has no description.
      tf.errors.NotFoundError: The SavedModel has no checkpoint, or the checkpoint lacks a weight.
    """
    names = model_description(path).get("weights", [])
    checkpoint = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
    return {name: checkpoint.get_tensor(_WEIGHT_KEY.format(i)) for i, name in enumerate(names)}
