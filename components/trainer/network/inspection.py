"""Looks into a network: its layers, its cost, whether it is sane, and what a layer sees."""

import difflib
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data.errors import InputError


class LayerFacts(NamedTuple):
    """One layer.

    Attributes:
      name: As `InputError`s and `model.freeze` name it.
      kind: The class.
      shape: Of its output for one image: [height, width, channels].
      parameters: How many numbers it holds.
      learns: Whether gradients change some of them.
      frozen: Whether training changes none; without, a layer that does not learn keeps statistics.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    learns: bool
    frozen: bool


class NetworkFacts(NamedTuple):
    """A network, looked at with one image of a size.

    Attributes:
      layers: In the order of computation; those without anything to tell (padding, preprocessing)
        are left out.
      parameters: How many numbers the network holds.
      learning: How many of them training changes.
      flops: Floating-point operations for one image; a multiplication and its addition are two.
      sane: What was tried with a random image, and whether it holds.
    """

    layers: list[LayerFacts]
    parameters: int
    learning: int
    flops: int
    sane: dict[str, bool]


def inspect(network: keras.Model, encoder: str, height: int, width: int) -> NetworkFacts:
    """Sends a random image through a network and looks at all that comes out.

    Args:
      network: From `build_network`.
      encoder: Name of its encoder.
      height: The image's, in pixels.
      width: The image's, in pixels.

    Returns:
      What there is to know.
    """
    image = np.random.default_rng(0).uniform(0, 255, (1, height, width, 3)).astype(np.float32)
    layers = _layers(network, encoder)
    outputs = dict(zip(layers, _outputs(network, encoder, list(layers), image), strict=True))
    facts = [
        LayerFacts(
            name,
            type(layer).__name__,
            tuple(outputs[name].shape[1:]),
            layer.count_params(),
            bool(layer.trainable_weights),
            not layer.trainable,
        )
        for name, layer in layers.items()
    ]
    logits = outputs["logits"]
    sums = keras.ops.convert_to_numpy(keras.ops.softmax(logits)).sum(axis=-1)
    rectified = [outputs[name] for name, layer in layers.items() if _is_relu(layer)]
    sane = {
        f"the output has the image's size, {height}×{width}": logits.shape[1:3] == (height, width),
        f"nothing is negative after any of {len(rectified)} ReLUs": all(
            float(keras.ops.min(output)) >= 0 for output in rectified
        ),
        "every pixel's probabilities sum to one": bool(np.allclose(sums, 1, atol=1e-5)),
        "every output is a finite number": all(
            np.isfinite(keras.ops.convert_to_numpy(output)).all() for output in outputs.values()
        ),
    }
    learning = sum(int(np.prod(variable.shape)) for variable in network.trainable_weights)
    return NetworkFacts(
        facts, network.count_params(), learning, _flops(network, height, width), sane
    )


def feature_maps(
    network: keras.Model, encoder: str, layer: str, image: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Computes what a layer makes of an image.

    Args:
      network: From `build_network`.
      encoder: Name of its encoder.
      layer: The layer's name.
      image: float32 [height, width, 3], RGB in 0..255.

    Returns:
      float32 [height', width', channels].

    Raises:
      InputError: There is no such layer.
    """
    names = list(_layers(network, encoder))
    if layer not in names:
        near = difflib.get_close_matches(layer, names, 3, 0)
        raise InputError(
            f"--layer: the network has no {layer}; it has {', '.join(near)} and others, which "
            "unetfx model lists."
        )
    (output,) = _outputs(network, encoder, [layer], image[np.newaxis])
    return np.asarray(keras.ops.convert_to_numpy(output)[0], np.float32)


def _layers(network: keras.Model, encoder: str) -> dict[str, keras.Layer]:
    """The layers that are worth a line, those of the encoder first."""
    inner = network.get_layer(encoder).layers
    first = [layer for layer in inner if not isinstance(layer, keras.layers.InputLayer)]
    rest = [layer for layer in network.layers if layer.name not in ("images", "pad", encoder)]
    return {layer.name: layer for layer in (*first, *rest)}


def _outputs(
    network: keras.Model, encoder: str, names: list[str], images: npt.NDArray[np.float32]
) -> list[tf.Tensor]:
    inner = network.get_layer(encoder)
    of_encoder = [layer.name for layer in inner.layers]
    found: dict[str, tf.Tensor] = {}
    for model, start in ((inner, network.get_layer("pad")), (network, lambda image: image)):
        here = [name for name in names if (name in of_encoder) == (model is inner)]
        if here:
            outputs = [model.get_layer(name).output for name in here]
            made = keras.Model(model.input, outputs)(start(images))
            found |= dict(zip(here, tf.nest.flatten(made), strict=True))
    return [found[name] for name in names]


def _is_relu(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.ReLU) or (
        getattr(layer, "activation", None) is keras.activations.relu
    )


def _flops(network: keras.Model, height: int, width: int) -> int:
    spec = tf.TensorSpec([1, height, width, 3], tf.float32)
    graph = tf.function(lambda image: network(image, training=False)).get_concrete_function(spec)
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return int(tf.compat.v1.profiler.profile(graph.graph, options=options).total_float_ops)
