"""The whole network: padding, encoder, decoder, head, cropping."""

import keras
import tensorflow as tf
from keras import layers, ops

from components.trainer.config import ModelConfig
from components.trainer.network import decoder
from components.trainer.network.encoder import build_encoder
from components.trainer.registry import DECODERS

MULTIPLE = 32
"""Five poolings halve the image, so heights and widths are padded to a multiple of this."""


def build_network(config: ModelConfig, num_classes: int) -> keras.Model:
    """Builds the network under the current dtype policy.

    Args:
      config: The `model:` part of the config.
      num_classes: Number of classes.

    Returns:
      A model from float32 [batch, height, width, 3], RGB in 0..255 and of any height and width, to
      float32 logits [batch, height, width, num_classes].

    Raises:
      InputError: The encoder's weights are not available or do not fit.
    """
    images = keras.Input((None, None, 3), name="images")
    skips = build_encoder(config)(PadToMultiple(MULTIPLE, name="pad")(images))
    build_decoder = getattr(decoder, DECODERS[config.decoder])
    features = build_decoder(skips, config.width, config.dropout)
    logits = layers.Conv2D(num_classes, 1, kernel_initializer="he_normal", name="head")(features)
    cropped = CropLike(name="crop")([logits, images])
    # The softmax and the loss need more precision than float16 or bfloat16.
    logits = layers.Activation("linear", dtype="float32", name="logits")(cropped)
    return keras.Model(images, logits, name=f"{config.encoder}_{config.decoder}")


class PadToMultiple(layers.Layer):
    """Pads images at the bottom and the right to the next multiple of a number of pixels.

    Args:
      multiple: Number of pixels that height and width are rounded up to a multiple of.

    Input shape: [batch, height, width, channels]. Output shape: the same with height and width
    rounded up. The padding is 0 (black).
    """

    def __init__(self, multiple: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Pads the images."""
        height, width = ops.shape(images)[1:3]
        return ops.pad(
            images, [[0, 0], [0, -height % self.multiple], [0, -width % self.multiple], [0, 0]]
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape with height and width rounded up where they are known."""
        batch, *sizes, channels = shape
        return (
            batch,
            *(None if size is None else size + -size % self.multiple for size in sizes),
            channels,
        )

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "multiple": self.multiple}


class CropLike(layers.Layer):
    """Crops the first input to the height and width of the second: the inverse of `PadToMultiple`.

    Input shape: [[batch, height, width, channels], [batch, height', width', any]]. Output shape:
    [batch, height', width', channels].
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Crops the first input."""
        padded, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return padded[:, :height, :width]

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the first shape with the second's height and width."""
        padded, reference = shapes
        return (padded[0], *reference[1:3], padded[3])
