"""The whole network: padding, encoder, decoder, classification head and cropping."""

from collections.abc import Iterator

import keras
import tensorflow as tf
from keras import layers, ops

from components.trainer.config import ModelConfig
from components.trainer.network import decoder
from components.trainer.network.encoder import build_encoder
from components.trainer.network.skips import STRIDES
from components.trainer.registry import DECODERS

MULTIPLE = 32
"""Images are padded to multiples of 32 pixels, because height and width are halved five times."""


def build_network(config: ModelConfig, num_classes: int) -> keras.Model:
    """Builds the network with Keras' current dtype policy.

    Args:
      config: The `model` section of the config.
      num_classes: Number of classes.

    Returns:
      A model that maps float32 images [batch, height, width, 3], RGB in 0..255, of any height and
      width, to float32 logits [batch, height, width, num_classes].

    Raises:
      InputError: The encoder's weights are unavailable or do not fit, or `config.freeze` specifies
        blocks or a number of layers that the encoder does not have.
    """
    images = keras.Input((None, None, 3), name="images")
    features = build_encoder(config)(PadToMultiple(MULTIPLE, name="pad")(images))
    # `split_network` finds the skips by the names of these layers, which change nothing.
    skips = [layers.Identity(name=f"skip{level}")(skip) for level, skip in enumerate(features, 1)]
    build_decoder = getattr(decoder, DECODERS[config.decoder])
    features = build_decoder(skips, config.width, config.dropout)
    logits = layers.Conv2D(num_classes, 1, kernel_initializer="he_normal", name="head")(features)
    cropped = CropLike(name="crop")([logits, images])
    # The logits are float32, because the softmax and the loss need more precision than float16 and
    # bfloat16 provide.
    logits = layers.Activation("linear", dtype="float32", name="logits")(cropped)
    return keras.Model(images, logits, name=f"{config.encoder}_{config.decoder}")


def split_network(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Splits a network into two models that share its layers and weights.

    Args:
      network: The network from `build_network`.

    Returns:
      The encoder, which maps images to a list of five skips, and the decoder, which maps the list
      [images, *skips] to logits. Images and logits are the same as those of the network.
    """
    skips = [network.get_layer(f"skip{level}").output for level in range(1, len(STRIDES) + 1)]
    encoder = keras.Model(network.input, skips, name="encoder")
    return encoder, keras.Model([network.input, *skips], network.output, name="decoder")


def changing_weights(network: keras.Model) -> list[keras.Variable]:
    """Returns the weights that training changes, including moving statistics.

    Args:
      network: The network from `build_network`.
    """
    frozen = {id(weight) for layer in _frozen_layers(network) for weight in layer.weights}
    return [weight for weight in network.weights if id(weight) not in frozen]


def _frozen_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    if not layer.trainable:
        yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _frozen_layers(inner)


class PadToMultiple(layers.Layer):
    """Pads images with zeros (black) at the bottom and right, to multiples of a given size.

    Args:
      multiple: Number of pixels; height and width are rounded up to multiples of this number.

    Input shape: [batch, height, width, channels]. Output shape: the input shape, with height and
    width rounded up.
    """

    def __init__(self, multiple: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Pads the images with zeros at the bottom and right."""
        height, width = ops.shape(images)[1:3]
        return ops.pad(
            images, [[0, 0], [0, -height % self.multiple], [0, -width % self.multiple], [0, 0]]
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output shape: height and width are rounded up, or None if unknown."""
        batch, *sizes, channels = shape
        return (
            batch,
            *(None if size is None else size + -size % self.multiple for size in sizes),
            channels,
        )

    def get_config(self) -> dict[str, object]:
        """Returns the constructor arguments, so that Keras can recreate the layer."""
        return {**super().get_config(), "multiple": self.multiple}


class CropLike(layers.Layer):
    """Undoes `PadToMultiple`: crops the first input to the height and width of the second input.

    Input shapes: [batch, height, width, channels] and [batch, height', width', any number of
    channels]. Output shape: [batch, height', width', channels].
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Crops the first input to the height and width of the second input."""
        padded, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return padded[:, :height, :width]

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the first input's shape, but with the height and width of the second input."""
        padded, reference = shapes
        return (padded[0], *reference[1:3], padded[3])
