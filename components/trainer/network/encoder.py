"""Builds encoders from Keras applications and freezes their layers."""

import functools
import importlib
import re
from collections.abc import Sequence

import keras

from components.trainer.config import ModelConfig
from components.trainer.network.skips import all_strides, find_skips, layer_strides
from components.trainer.network.weights import load_weights
from components.trainer.registry import ENCODERS
from data.errors import InputError


def build_encoder(config: ModelConfig) -> keras.Model:
    """Builds the encoder, loads its weights and freezes layers.

    Args:
      config: The `model` section of the config: encoder, weights and layers to freeze.

    Returns:
      A model that maps float32 images [batch, height, width, 3], RGB in 0..255, to five skips
      [batch, height / s, width / s, channels] with the strides s = 1, 2, 4, 8 and 16. The model
      includes the preprocessing of the Keras application. Image height and width must be multiples
      of 16.

    Raises:
      InputError: The weights are unavailable or do not fit, or `config.freeze` specifies blocks or
        a number of layers that the encoder does not have.
    """
    path, name, skip_names = ENCODERS[config.encoder]
    module = importlib.import_module(path)
    # Keras has some of its functions only in `keras.applications`.
    function = getattr(module, name, None) or getattr(keras.applications, name)
    build = functools.partial(function, include_top=False)
    images = keras.Input((None, None, 3), name="images")
    pixels = module.preprocess_input(images)
    whole = build(weights=None, input_tensor=pixels)
    # The model ends at the deepest skip, because the decoder does not use later layers.
    skips = all_strides(find_skips(whole, skip_names), images)
    encoder = keras.Model(images, skips, name=config.encoder)
    load_weights(encoder, whole, config.weights, build)
    _freeze(encoder, set(keras.Model(images, pixels).layers[1:]), config.freeze)
    return encoder


def _freeze(
    encoder: keras.Model, preprocessing: set[keras.Layer], freeze: str | int | Sequence[str]
) -> None:
    layers = [layer for layer in encoder.layers if layer not in preprocessing]
    if isinstance(freeze, int):
        if freeze > len(layers):
            raise InputError(f"model.freeze: {freeze}, but the encoder has {len(layers)} layers.")
        frozen = layers[:freeze]
    elif isinstance(freeze, str):
        frozen = {"all": layers, "none": []}[freeze]
    else:
        names = blocks(encoder)
        unknown = [name for name in freeze if name not in names]
        if unknown:
            raise InputError(
                f"model.freeze: {unknown[0]} is not a block of {encoder.name}; its blocks are "
                f"{', '.join(names)}."
            )
        of_layer = _block_names(encoder)
        frozen = [layer for layer in layers if of_layer.get(layer.name) in freeze]
    for layer in frozen:
        # Freezing a batch normalisation layer also freezes its moving statistics.
        layer.trainable = False


def blocks(encoder: keras.Model) -> list[str]:
    """Returns the names of the encoder's blocks, such as `block3`, shallowest first.

    Blocks have the names of the layers, up to the first `_`, if these are numbered (`block1_conv1`,
    `conv2_block1_out`). In other encoders, each block contains the layers of one resolution, and
    has the name of its stride (`stride4`).
    """
    return list(dict.fromkeys(_block_names(encoder).values()))


def layers_from(encoder: keras.Model, block: str) -> list[keras.Layer]:
    """Returns the layers of a block and of all deeper blocks.

    Args:
      encoder: The encoder from `build_encoder`.
      block: Name of the block, such as `block4`.

    Raises:
      InputError: The encoder has no block with this name.
    """
    names = blocks(encoder)
    if block not in names:
        raise InputError(
            f"training.second_phase.unfreeze_from: {block} is not a block of {encoder.name}; its "
            f"blocks are {', '.join(names)}."
        )
    deeper = names[names.index(block) :]
    of_layer = _block_names(encoder)
    return [layer for layer in encoder.layers if of_layer.get(layer.name) in deeper]


def _block_names(encoder: keras.Model) -> dict[str, str]:
    """Returns the block of each layer that has weights, by the name of the layer."""
    names = [layer.name for layer in encoder.layers if layer.weights]
    by_name = {name: name.partition("_")[0] for name in names}
    if all(re.fullmatch(r"[a-z]+\d+", block) for block in by_name.values()):
        return by_name
    strides = layer_strides(encoder)
    return {name: f"stride{strides[name]}" for name in names}
