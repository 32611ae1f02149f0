"""Registries of the encoders, decoders and loss terms that can be chosen in the config.

Importing Keras takes seconds, so configs are read without it. This module therefore contains only
the names of the functions that build encoders and decoders or compute loss terms.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Encoder(NamedTuple):
    """A Keras application that can be used as the encoder.

    Attributes:
      application: Name of the function in `keras.applications` that builds the model.
      module: Name of the module in `keras.applications` that contains the matching
        `preprocess_input`.
      skips: Names of the five layers whose outputs the decoder receives, finest first, with the
        strides 1, 2, 4, 8 and 16. None means the preprocessed image itself.
    """

    application: str
    module: str
    skips: Sequence[str | None]


ENCODERS = {
    # The skips have 64, 128, 256, 512 and 512 channels. Each skip is the output of the second
    # convolution in a block, as in the project's reference notebook (see `notebook_decoder`).
    "vgg16": Encoder(
        "VGG16",
        "vgg16",
        ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv2"),
    ),
    # The skips have 64, 128, 256, 512 and 512 channels. Each skip is the output of the last
    # convolution in a block.
    "vgg19": Encoder(
        "VGG19",
        "vgg19",
        ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4"),
    ),
    # The skips have 3, 64, 256, 512 and 1024 channels. ResNet has no features at full resolution,
    # so the first skip is the image. The last ResNet stage (stride 32) is left out, because the
    # decoder has its own layers at this stride.
    "resnet50": Encoder(
        "ResNet50",
        "resnet50",
        (None, "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
    ),
}
"""The available encoders, by their names in `model.encoder`."""

DECODERS = {"unet": "unet_decoder", "notebook": "notebook_decoder"}
"""Maps each name in `model.decoder` to a function in `components.trainer.network.decoder`."""

LOSSES = ("cross_entropy", "focal", "dice", "tversky")
"""Names of the loss terms, which are also the names of the functions in `loss_terms.py`."""
