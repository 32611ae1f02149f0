"""The encoders, decoders and losses that a config can name. A new one is a line here.

A config is read without Keras, which takes seconds to import. So this module has only the names of
the functions that build them.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Encoder(NamedTuple):
    """One of Keras' applications as an encoder.

    Attributes:
      application: Name of the function in `keras.applications` that builds it.
      module: Name of the module in `keras.applications` that has its `preprocess_input`.
      skips: Names of the five layers whose outputs the decoder receives, finest first, at strides
        1, 2, 4, 8 and 16; None stands for the preprocessed image itself.
    """

    application: str
    module: str
    skips: Sequence[str | None]


ENCODERS = {
    # Skips of 64, 128, 256, 512 and 512 channels: the second convolution of every block, as in the
    # notebook.
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
    # first skip is the image. Its stage at stride 32 is omitted, since the decoder has its own.
    "resnet50": Encoder(
        "ResNet50",
        "resnet50",
        (None, "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out"),
    ),
}
"""By the name in `model.encoder`."""

DECODERS = {"unet": "unet_decoder", "notebook": "notebook_decoder"}
"""Name in `model.decoder` to a function of `components.trainer.network.decoder`."""

LOSSES = ("cross_entropy", "focal", "dice", "tversky")
"""Names in `training.loss`: functions of `components.trainer.training.loss_terms`."""
