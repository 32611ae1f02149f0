"""The encoders: Keras applications without their heads, and which of their layers are frozen."""

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import keras

from components.trainer.config import ModelConfig
from components.trainer.network.weights import load_weights
from data.errors import InputError

STRIDES = (1, 2, 4, 8, 16)
"""Of the five skips: how many pixels of the image one of a skip stands for, in each direction."""


class _Encoder(NamedTuple):
    """One of Keras' applications as an encoder.

    Attributes:
      application: The function in `keras.applications` that builds it.
      module: The one with its `preprocess_input`.
      skips: Layers whose outputs the decoder receives, finest first, one for each of `STRIDES`;
        None for the preprocessed image itself.
    """

    application: str
    module: ModuleType
    skips: Sequence[str | None]


ENCODERS = {
    # Channels 64, 128, 256, 512, 512: the reference's, the second convolution of every block.
    "vgg16": _Encoder(
        "VGG16",
        keras.applications.vgg16,
        ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv2"),
    ),
    # The same channels: the last convolution of every block, before it is pooled.
    "vgg19": _Encoder(
        "VGG19",
        keras.applications.vgg19,
        ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4"),
    ),
    # Channels 3, 64, 256, 512, 1024. ResNet halves the image before its first features, so the
    # finest skip is the image; its stage at stride 32 is left out, as the decoder has its own.
    "resnet50": _Encoder(
        "ResNet50",
        keras.applications.resnet50,
        (None, "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
    ),
}
"""By the name that `model.encoder` has in a config."""


def build_encoder(config: ModelConfig) -> keras.Model:
    """Builds the encoder with its weights.

    Args:
      config: Which one, which weights, and what is frozen.

    Returns:
      A model from float32 [batch, height, width, 3], RGB in 0..255, to the five skips at
      `STRIDES`. The preprocessing that the weights were trained with is inside. Heights and widths
      must be multiples of 16.

    Raises:
      InputError: The weights cannot be had, or do not fit; or there are no such layers to freeze.
    """
    name, module, skips = ENCODERS[config.encoder]
    images = keras.Input((None, None, 3), name="images")
    pixels = module.preprocess_input(images)
    whole = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=pixels)
    outputs = [pixels if skip is None else whole.get_layer(skip).output for skip in skips]
    # What lies behind the deepest skip feeds nothing here.
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
                f"model.freeze: {unknown[0]} is no block of {encoder.name}; these are "
                f"{', '.join(names)}."
            )
        frozen = [layer for layer in layers if _block_of(layer) in freeze]
    for layer in frozen:
        # A frozen batch normalisation also uses and keeps its moving statistics in training.
        layer.trainable = False


def blocks(encoder: keras.Model) -> list[str]:
    """Returns the names of an encoder's blocks, such as `block3`, shallowest first."""
    return list(dict.fromkeys(_block_of(layer) for layer in encoder.layers if layer.weights))


def layers_from(encoder: keras.Model, block: str) -> list[keras.Layer]:
    """Returns the layers of a block and of those behind it.

    Args:
      encoder: From `build_encoder`.
      block: The block's name.

    Raises:
      InputError: There is no such block.
    """
    names = blocks(encoder)
    if block not in names:
        raise InputError(
            f"training.second_phase.unfreeze_from: {block} is no block of {encoder.name}; these "
            f"are {', '.join(names)}."
        )
    learning = names[names.index(block) :]
    return [layer for layer in encoder.layers if _block_of(layer) in learning]


def _block_of(layer: keras.Layer) -> str:
    return str(layer.name.partition("_")[0])
