"""Builds encoders from Keras applications and freezes their layers."""

from collections.abc import Sequence

import keras

from components.trainer.config import ModelConfig
from components.trainer.network.weights import load_weights
from components.trainer.registry import ENCODERS
from data.errors import InputError

STRIDES = (1, 2, 4, 8, 16)
"""Strides of the five skips: number of image pixels per feature pixel in each direction."""


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
    name, module, skips = ENCODERS[config.encoder]
    images = keras.Input((None, None, 3), name="images")
    pixels = getattr(keras.applications, module).preprocess_input(images)
    whole = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=pixels)
    outputs = [pixels if skip is None else whole.get_layer(skip).output for skip in skips]
    # The model ends at the deepest skip, because the decoder does not use later layers.
    encoder = keras.Model(images, outputs, name=config.encoder)
    load_weights(encoder, config.weights, name)
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
        frozen = [layer for layer in layers if _block_of(layer) in freeze]
    for layer in frozen:
        # Freezing a batch normalisation layer also freezes its moving statistics.
        layer.trainable = False


def blocks(encoder: keras.Model) -> list[str]:
    """Returns the names of the encoder's blocks, such as `block3`, shallowest first."""
    return list(dict.fromkeys(_block_of(layer) for layer in encoder.layers if layer.weights))


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
    return [layer for layer in encoder.layers if _block_of(layer) in deeper]


def _block_of(layer: keras.Layer) -> str:
    return str(layer.name.partition("_")[0])
