"""Registries of the encoders, decoders and loss terms that a config can name.

Keras takes seconds to import, so a config is read without Keras: this module contains only the
names of the functions that build encoders and decoders or compute loss terms.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Encoder(NamedTuple):
    """A Keras application that can be used as the encoder.

    Attributes:
      application: Name of the function in `keras.applications` that builds the application.
      module: Name of the module in `keras.applications` that contains the application's
        `preprocess_input`.
      skips: Names of the five layers whose outputs the decoder receives, finest first, at strides
        1, 2, 4, 8 and 16; None stands for the preprocessed image itself.
    """

    application: str
    module: str
    skips: Sequence[str | None]


ENCODERS = {
    # Skips of 64, 128, 256, 512 and 512 channels: the second convolution of every block, as in the
    # reference notebook.
    "vgg16": Encoder(
        "VGG16",
        "vgg16",
        ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv2"),
    ),
    # Skips of 64, 128, 256, 512 and 512 channels: the last convolution of every block.
    "vgg19": Encoder(
        "VGG19",
        "vgg19",
        ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4"),
    ),
    # Skips of 3, 64, 256, 512 and 1024 channels. ResNet has no features at full resolution, so the
    # first skip is the image. ResNet's stage at stride 32 is omitted, since the decoder has layers
    # of its own at this stride.
    "resnet50": Encoder(
        "ResNet50",
        "resnet50",
        (None, "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
    ),
}
"""The encoders, by their names in `model.encoder`."""

DECODERS = {"unet": "unet_decoder", "notebook": "notebook_decoder"}
"""Name in `model.decoder` to name of the function in `components.trainer.network.decoder`."""

LOSSES = ("cross_entropy", "focal", "dice", "tversky")
"""Names of loss terms in `training.loss`, and of functions in `…trainer.training.loss_terms`."""
