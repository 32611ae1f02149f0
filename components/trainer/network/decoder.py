"""Decoders: from an encoder's skips to features at the image's resolution."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
from keras import layers

from components.trainer.network.convolution import SkipConv2D
from components.trainer.network.normalisation import BatchNormalization

CHANNELS = (512, 256, 128, 64, 64)
"""Of the five blocks, coarsest first; the latent has twice as many as the first."""

_Parts = tuple[()] | tuple[keras.KerasTensor, keras.KerasTensor]


def unet_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds the default decoder: the reference's, normalised, and without its 2-channel layers.

    VGG's features are in the hundreds, so each skip is normalised before use, with no scale and no
    offset to learn, since the convolution after it has them; each convolution has no bias and is
    followed by normalisation and ReLU. See Ronneberger et al. 2015 (U-Net) and Ioffe and Szegedy
    2015.

    Args:
      skips: Five tensors [batch, height / s, width / s, channels] at strides s of 1, 2, 4, 8 and
        16, finest first.
      width: Factor on `CHANNELS`.
      dropout: Share of the latent's channels that are dropped in training, 0 to below 1: whole
        channels, since neighbours in one say the same (Tompson et al. 2015). The latent is where
        Ronneberger et al. drop too. With 0 there is no such layer.

    Returns:
      [batch, height, width, 64 * width].
    """
    # With anything to learn here, gradients would have to come back to a frozen encoder's skips.
    normalised = [
        _normalise(skip, f"skip{level}", learns=False) for level, skip in enumerate(skips, 1)
    ]
    return _decode(normalised, width, dropout, _conv_normalise_relu)


def notebook_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds the reference's decoder, layer for layer.

    It is fragile: without normalisation it can collapse to one class.

    Args:
      skips: As for `unet_decoder`.
      width: Factor on `CHANNELS`.
      dropout: As for `unet_decoder`; the reference has none.

    Returns:
      [batch, height, width, 2]: the reference ends its fourth and its fifth block in two channels.
    """
    return _decode(skips, width, dropout, _conv_relu, two_channel_blocks=(4, 5))


DECODERS = {"unet": unet_decoder, "notebook": notebook_decoder}
"""By the name that `model.decoder` has in a config."""


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
        both = layers.Concatenate(name=f"decoder{block}_concat")([skip, x])
        x = convolve(both, count, 3, f"decoder{block}_conv1", parts=(skip, x))
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
    if parts:  # that x is the concatenation of
        return SkipConv2D(channels, size, **options)(x, *parts)
    return layers.Conv2D(channels, size, padding="same", **options)(x)


def _normalise(x: keras.KerasTensor, name: str, *, learns: bool = True) -> keras.KerasTensor:
    # Keras' momentum of 0.99 needs hundreds of steps to forget where it began; small data sets have
    # dozens. Synchronised, several devices learn what one would from the whole batch.
    return BatchNormalization(
        momentum=0.9, synchronized=True, center=learns, scale=learns, name=f"{name}_norm"
    )(x)
