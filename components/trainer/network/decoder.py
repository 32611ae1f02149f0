"""Decoders: from an encoder's skips to features at the image's resolution."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
from keras import layers

from components.trainer.network.convolution import SkipConv2D
from components.trainer.network.normalisation import BatchNormalization

CHANNELS = (512, 256, 128, 64, 64)
"""Channels of the five blocks, coarsest first; the latent has twice those of the first block."""

_Parts = tuple[()] | tuple[keras.KerasTensor, keras.KerasTensor]


def unet_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds the default decoder: the reference with normalisation and without 2-channel layers.

    VGG's features are in the hundreds, so each skip is normalised first, without a learnt scale or
    offset, which the next convolution provides. Each convolution has no bias and is followed by
    normalisation and ReLU. See Ronneberger et al. 2015 (U-Net) and Ioffe and Szegedy 2015.

    Args:
      skips: Five tensors [batch, height / s, width / s, channels] at strides s of 1, 2, 4, 8 and
        16, finest first.
      width: Factor on `CHANNELS`.
      dropout: Share of the latent's channels to drop in training, 0 to below 1. Whole channels are
        dropped, since neighbouring pixels of one are correlated (Tompson et al. 2015). Ronneberger
        et al. use dropout in the latent, too. With 0 there is no dropout layer.

    Returns:
      [batch, height, width, 64 * width].
    """
    # The normalisation of the skips has no trainable weights: otherwise gradients would be computed
    # for the skips even if the encoder is frozen.
    normalised = [
        _normalise(skip, f"skip{level}", learnt=False) for level, skip in enumerate(skips, 1)
    ]
    return _decode(normalised, width, dropout, _conv_normalise_relu)


def notebook_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds the decoder of the reference notebook, layer for layer.

    It is fragile: without normalisation it can collapse to one class.

    Args:
      skips: As for `unet_decoder`.
      width: Factor on `CHANNELS`.
      dropout: As for `unet_decoder`; the reference has no dropout.

    Returns:
      [batch, height, width, 2]: the reference ends its fourth and fifth block in two channels.
    """
    return _decode(skips, width, dropout, _conv_relu, two_channel_blocks=(4, 5))


def _decode(
    skips: Sequence[keras.KerasTensor],
    width: float,
    dropout: float,
    convolve: Callable[..., keras.KerasTensor],
    two_channel_blocks: Collection[int] = (),
) -> keras.KerasTensor:
    channels = [max(1, round(count * width)) for count in CHANNELS]
    x = layers.MaxPooling2D(2, name="latent_pool")(skips[-1])
    for i in (1, 2):
        x = convolve(x, 2 * channels[0], 3, f"latent_conv{i}")
    if dropout:
        x = layers.SpatialDropout2D(dropout, name="latent_dropout")(x)
    for block, (count, skip) in enumerate(zip(channels, reversed(skips), strict=True), 1):
        x = layers.UpSampling2D(2, name=f"decoder{block}_up")(x)
        x = convolve(x, count, 2, f"decoder{block}_up_conv")
        joined = layers.Concatenate(name=f"decoder{block}_concat")([skip, x])
        x = convolve(joined, count, 3, f"decoder{block}_conv1", parts=(skip, x))
        x = convolve(x, count, 3, f"decoder{block}_conv2")
        if block in two_channel_blocks:
            x = convolve(x, 2, 3, f"decoder{block}_conv3")
    return x


def _conv_relu(
    x: keras.KerasTensor, channels: int, size: int, name: str, parts: _Parts = ()
) -> keras.KerasTensor:
    return _convolve(x, channels, size, name, parts, activation="relu")


def _conv_normalise_relu(
    x: keras.KerasTensor, channels: int, size: int, name: str, parts: _Parts = ()
) -> keras.KerasTensor:
    x = _convolve(x, channels, size, name, parts, use_bias=False)
    return layers.ReLU(name=f"{name}_relu")(_normalise(x, name))


def _convolve(
    x: keras.KerasTensor, channels: int, size: int, name: str, parts: _Parts, **options: Any
) -> keras.KerasTensor:
    options |= {"kernel_initializer": "he_normal", "name": name}
    if parts:  # x is the concatenation of `parts`
        return SkipConv2D(channels, size, **options)(x, *parts)
    return layers.Conv2D(channels, size, padding="same", **options)(x)


def _normalise(x: keras.KerasTensor, name: str, *, learnt: bool = True) -> keras.KerasTensor:
    # With Keras' default momentum of 0.99, the initial moving statistics fade only after hundreds
    # of steps, but small data sets have dozens. Synchronised statistics make training on several
    # devices equal to training on one.
    return BatchNormalization(
        momentum=0.9, synchronized=True, center=learnt, scale=learnt, name=f"{name}_norm"
    )(x)
