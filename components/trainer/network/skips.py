"""Finds the skips of an encoder: for each stride, the last features before they are halved."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import layers, ops

STRIDES = (1, 2, 4, 8, 16)
"""Strides of the five skips: number of image pixels per feature pixel in each direction."""
_RANK = 4  # of [batch, height, width, channels]
_PROBE = 256  # height and width of the image for which the sizes of all features are computed


class Skip(NamedTuple):
    """The features that an encoder has at a stride.

    Attributes:
      output: Features [batch, height, width, channels].
      exact: Whether height and width are those of the image divided by the stride. They are smaller
        if the encoder has convolutions without padding.
    """

    output: keras.KerasTensor
    exact: bool


def find_skips(model: keras.Model, names: Sequence[str] = ()) -> dict[int, Skip]:
    """Finds the features from which a decoder can restore each resolution.

    The skip of a stride is the last tensor with this stride on which all later features depend. It
    is therefore the end of a residual block or of parallel branches, never a part of them.

    Args:
      model: A Keras application without its head, for images of any size.
      names: Names of the layers to use instead, finest first.

    Returns:
      The skip of each stride that the model has, by stride.
    """
    found = [model.get_layer(name) for name in names] or [
        operation
        for operation in _bottlenecks(model)
        # Padding changes the size, but not the stride.
        if len(operation.output.shape) == _RANK and not isinstance(operation, layers.ZeroPadding2D)
    ]
    skips = {}
    for operation, size in zip(found, _sizes(model, found), strict=True):
        stride = _stride(size)
        skips[stride] = Skip(operation.output, exact=size * stride == _PROBE)
    return {stride: skips[stride] for stride in STRIDES if stride in skips}


def layer_strides(model: keras.Model) -> dict[str, int]:
    """Returns the stride of each layer's output, by the name of the layer.

    The layers of a branch that has only one value per channel have the stride of the layer before
    them.

    Args:
      model: The encoder from `build_encoder`.
    """
    strides, stride = {}, 1
    for layer, size in zip(model.layers, _sizes(model, model.layers), strict=True):
        stride = _stride(size) if size > 1 else stride
        strides[layer.name] = stride
    return strides


def all_strides(skips: dict[int, Skip], image: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Completes the skips, so that the decoder gets one tensor of exact size for each stride.

    A missing skip is replaced by the next finer one, averaged over 2×2 pixels. Skips that are too
    small are enlarged.

    Args:
      skips: The skips from `find_skips`, by stride; 1 must be among them.
      image: The image [batch, height, width, 3]; height and width are multiples of 16.

    Returns:
      For each of `STRIDES`, a tensor [batch, height / stride, width / stride, channels].
    """
    tensors: list[keras.KerasTensor] = []
    for stride in STRIDES:
        if stride not in skips:
            tensors.append(layers.AveragePooling2D(2, name=f"mean_stride{stride}")(tensors[-1]))
        elif skips[stride].exact:
            tensors.append(skips[stride].output)
        else:
            enlarge = ResizeLike(stride, name=f"enlarge_stride{stride}")
            tensors.append(enlarge([skips[stride].output, image]))
    return tensors


class ResizeLike(layers.Layer):
    """Resizes features bilinearly to the height and width of an image divided by a stride.

    Args:
      stride: Divisor of height and width.

    Input shapes: [batch, any height, any width, channels] and [batch, height, width, any number of
    channels]. Output shape: [batch, height / stride, width / stride, channels].
    """

    def __init__(self, stride: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Resizes the first input to the size of the second input divided by the stride."""
        features, image = inputs
        height, width = ops.shape(image)[1:3]
        size = height // self.stride, width // self.stride
        return ops.image.resize(features, size, antialias=False)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the first input's shape, with the second input's size divided by the stride."""
        features, image = shapes
        size = (None if length is None else length // self.stride for length in image[1:3])
        return (features[0], *size, features[3])

    def get_config(self) -> dict[str, object]:
        """Returns the constructor arguments, so that Keras can recreate the layer."""
        return {**super().get_config(), "stride": self.stride}


def _sizes(model: keras.Model, operations: Sequence[keras.Operation]) -> list[int]:
    """Returns the height of each operation's output for an image of the height `_PROBE`.

    Outputs without height and width count as one pixel.
    """
    outputs = keras.Model(model.input, [operation.output for operation in operations])
    image = keras.KerasTensor((1, _PROBE, _PROBE, 3))
    shapes = [output.shape for output in outputs.compute_output_spec(image)]
    return [shape[1] if len(shape) == _RANK else 1 for shape in shapes]


def _stride(size: int) -> int:
    return int(2 ** round(math.log2(_PROBE / size)))


def _bottlenecks(model: keras.Model) -> list[keras.Operation]:
    """Returns the operations through which every path from input to output leads, in order."""
    operations = model.operations  # each one after those that it depends on
    position = {id(operation.output): i for i, operation in enumerate(operations)}
    last_use = list(range(len(operations)))
    for i, operation in enumerate(operations):
        if not isinstance(operation, layers.InputLayer):
            inputs = operation.input if isinstance(operation.input, list) else [operation.input]
            for tensor in inputs:
                last_use[position[id(tensor)]] = i
    found, latest = [], 0
    for i, operation in enumerate(operations):
        if latest <= i:
            found.append(operation)
        latest = max(latest, last_use[i])
    return found
