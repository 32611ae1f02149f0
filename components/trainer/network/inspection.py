"""Inspects a network: layers, parameters, FLOPs, sanity checks and feature maps."""

import difflib
import statistics
import time
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.network.network import split_network
from data.errors import InputError

_UNTIMED_RUNS, _TIMED_RUNS = 2, 9


class LayerFacts(NamedTuple):
    """Facts about one layer of a network.

    Attributes:
      name: Name of the layer in the Keras model.
      kind: Class name of the layer, such as `Conv2D`.
      shape: Output shape of the layer for one image: [height, width, channels].
      parameters: Number of parameters in the layer.
      learns: Whether the layer has trainable weights.
      frozen: Whether training leaves the layer unchanged. A layer can be unfrozen even if it has no
        trainable weights, because training may still update its moving statistics.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    learns: bool
    frozen: bool


class NetworkFacts(NamedTuple):
    """Facts about a network, computed with one random image.

    Attributes:
      layers: Facts about each layer, in the order of execution, excluding the input layers and the
        padding.
      parameters: Number of parameters in the network.
      learning: Number of trainable parameters.
      flops: Number of floating-point operations per image; a multiply-add counts as two.
      encoder_flops: The part of `flops` that belongs to the encoder.
      sane: Maps the description of each sanity check to whether the network passes the check.
    """

    layers: list[LayerFacts]
    parameters: int
    learning: int
    flops: int
    encoder_flops: int
    sane: dict[str, bool]


def inspect(network: keras.Model, encoder: str, height: int, width: int) -> NetworkFacts:
    """Inspects a network by running it on a random image.

    Args:
      network: The network from `build_network`.
      encoder: Name of the network's encoder, such as `vgg16`.
      height: Height of the random image in pixels.
      width: Width of the random image in pixels.

    Returns:
      The facts about the network and its layers.
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
        f"no output of the {len(rectified)} ReLUs is negative": all(
            float(keras.ops.min(output)) >= 0 for output in rectified
        ),
        "the probabilities of every pixel sum to 1": bool(np.allclose(sums, 1, atol=1e-5)),
        "every output is finite": all(
            np.isfinite(keras.ops.convert_to_numpy(output)).all() for output in outputs.values()
        ),
    }
    learning = sum(int(np.prod(variable.shape)) for variable in network.trainable_weights)
    skips, _ = split_network(network)
    return NetworkFacts(
        facts,
        network.count_params(),
        learning,
        count_flops(network, height, width),
        count_flops(skips, height, width),
        sane,
    )


def count_flops(network: keras.Model, height: int, width: int) -> int:
    """Counts the floating-point operations for one image; a multiply-add counts as two.

    Args:
      network: The network, or a part of it that receives images.
      height: Height of the image in pixels.
      width: Width of the image in pixels.
    """
    spec = tf.TensorSpec([1, height, width, 3], tf.float32)
    run = tf.function(lambda image: network(image, training=False), autograph=False)
    graph = run.get_concrete_function(spec)
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return int(tf.compat.v1.profiler.profile(graph.graph, options=options).total_float_ops)


def latency(network: keras.Model, height: int, width: int) -> float:
    """Measures the time that the network takes for one image on this machine, in milliseconds.

    Args:
      network: The network from `build_network`.
      height: Height of the image in pixels.
      width: Width of the image in pixels.

    Returns:
      The median of several runs.
    """
    image = tf.zeros([1, height, width, 3])
    run = tf.function(lambda image: network(image, training=False), autograph=False)
    milliseconds = []
    for _ in range(_UNTIMED_RUNS + _TIMED_RUNS):
        before = time.monotonic()
        run(image).numpy()
        milliseconds.append(1000 * (time.monotonic() - before))
    return statistics.median(milliseconds[_UNTIMED_RUNS:])


def feature_maps(
    network: keras.Model, encoder: str, layer: str, image: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Computes the output of a layer for an image.

    Args:
      network: The network from `build_network`.
      encoder: Name of the network's encoder, such as `vgg16`.
      layer: Name of the layer, such as `block3_conv3`.
      image: Image, float32 [height, width, 3], RGB in 0..255.

    Returns:
      Feature maps, float32 [height', width', channels], at the layer's resolution.

    Raises:
      InputError: The network has no layer with this name.
    """
    names = list(_layers(network, encoder))
    if layer not in names:
        near = difflib.get_close_matches(layer, names, 3, 0)
        raise InputError(
            f"--layer: the network has no {layer}; it has {', '.join(near)} and others. List all "
            "layers: unetfx model"
        )
    (output,) = _outputs(network, encoder, [layer], image[np.newaxis])
    return np.asarray(keras.ops.convert_to_numpy(output)[0], np.float32)


def _layers(network: keras.Model, encoder: str) -> dict[str, keras.Layer]:
    """Returns the layers by name, encoder first, excluding the input layers and the padding."""
    inner = network.get_layer(encoder).layers
    first = [layer for layer in inner if not isinstance(layer, keras.layers.InputLayer)]
    rest = [layer for layer in network.layers if layer.name not in ("images", "pad", encoder)]
    return {layer.name: layer for layer in (*first, *rest)}


def _outputs(
    network: keras.Model, encoder: str, names: list[str], images: npt.NDArray[np.float32]
) -> list[tf.Tensor]:
    inner = network.get_layer(encoder)
    encoder_names = [layer.name for layer in inner.layers]
    by_name: dict[str, tf.Tensor] = {}
    for model, start in ((inner, network.get_layer("pad")), (network, lambda image: image)):
        selected = [name for name in names if (name in encoder_names) == (model is inner)]
        if selected:
            outputs = [model.get_layer(name).output for name in selected]
            values = keras.Model(model.input, outputs)(start(images))
            by_name |= dict(zip(selected, tf.nest.flatten(values), strict=True))
    return [by_name[name] for name in names]


def _is_relu(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.ReLU) or (
        getattr(layer, "activation", None) is keras.activations.relu
    )
