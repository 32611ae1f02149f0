"""Decoders, which combine the encoder's outputs (skips) into features at image resolution."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
from keras import layers

from components.trainer.network.convolution import SkipConv2D
from components.trainer.network.normalisation import BatchNormalization

CHANNELS = (512, 256, 128, 64, 64)
"""Number of channels in each decoder block, coarsest first.

The bottleneck between encoder and decoder has twice as many channels as the first block.
"""

_Parts = tuple[()] | tuple[keras.KerasTensor, keras.KerasTensor]


def unet_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds the default decoder: U-Net (Ronneberger et al. 2015) with batch normalisation.

    The convolutions have no bias, and each is followed by batch normalisation (Ioffe and Szegedy
    2015) and ReLU. The skips are also batch-normalised, because the values of VGG features reach
    the hundreds. The normalisation of the skips has no learnt scale or offset, because the next
    convolution can learn both. Unlike `notebook_decoder`, this decoder has no two-channel layers.

    Args:
      skips: Encoder outputs: five tensors [batch, height / s, width / s, channels] with the strides
        s = 1, 2, 4, 8 and 16, finest first.
      width: Multiplier for the number of channels in each block (`CHANNELS`).
      dropout: Fraction of the bottleneck's channels to drop in training, from 0 to below 1; with 0,
        there is no dropout layer. Whole channels are dropped, because neighbouring pixels of a
        channel are correlated (Tompson et al. 2015).

    Returns:
      Feature tensor [batch, height, width, 64 * width].
    """
    # The normalisation of the skip connections has no trainable weights. Training them would cost
    # the gradients of all skip connections, which a frozen encoder does not need.
    normalised = [
        _normalise(skip, f"skip{level}", learnt=False) for level, skip in enumerate(skips, 1)
    ]
    return _decode(normalised, width, dropout, _conv_normalise_relu)


def notebook_decoder(
    skips: Sequence[keras.KerasTensor], width: float = 1.0, dropout: float = 0.0
) -> keras.KerasTensor:
    """Builds a U-Net decoder without normalisation, as in the project's reference notebook.

    The layers are the same as in the notebook, which trains a VGG16 U-Net. Without normalisation,
    training can collapse: the network then predicts the same class for every pixel.

    Args:
      skips: Encoder outputs: five tensors [batch, height / s, width / s, channels] with the strides
        s = 1, 2, 4, 8 and 16, finest first.
      width: Multiplier for the number of channels in each block (`CHANNELS`).
      dropout: Fraction of the bottleneck's channels to drop in training, from 0 to below 1; the
        notebook does not use dropout.

    Returns:
      Feature tensor [batch, height, width, 2]; the last two blocks each end with a two-channel
      convolution.
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
    # With Keras' default momentum of 0.99, the initial moving statistics take hundreds of steps to
    # fade, but training on a small data set has only dozens of steps. Synchronised statistics make
    # training on several devices equivalent to training on one device.
    return BatchNormalization(
        momentum=0.9, synchronized=True, center=learnt, scale=learnt, name=f"{name}_norm"
    )(x)
