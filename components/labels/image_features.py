"""Features of whole images, from the encoder of an exported model, to compare images by."""

from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.config import ModelConfig
from components.trainer.network.encoder import build_encoder
from components.trainer.network.network import MULTIPLE
from components.trainer.training.precision import set_precision
from data.config import ResizeView
from data.errors import InputError
from data.examples.parsing import decode_image
from data.input_pipeline.views import view_image
from serving.model.description import model_description, model_weights

ImageFeatures = Callable[[bytes], npt.NDArray[np.float32]]
"""Function that maps the bytes of a PNG or JPEG file to its features, float32 [D], of length 1."""


def load_image_features(path: str) -> ImageFeatures:
    """Loads the encoder of an exported model.

    Args:
      path: Folder of the SavedModel.

    Returns:
      The function that computes the features of an image (see `features_of`). It resizes the whole
      image to about the size of the model's view, also for a model that sees crops.

    Raises:
      InputError: The model was exported without its settings or weight names, or by a version of
        Keras with other names.
    """
    description = model_description(path)
    weights = model_weights(path)
    if not description.get("config") or not weights:
        raise InputError(f"{path}: the model has no settings, from which to build its encoder.")
    config = ModelConfig.model_validate(description["config"]["model"] | {"weights": "none"})
    keras.utils.clear_session()  # the names of some layers count the layers built before
    encoder = build_encoder(config)
    if missing := [weight.path for weight in encoder.weights if weight.path not in weights]:
        raise InputError(f"{path}: the model lacks the weight {missing[0]} of its encoder.")
    encoder.set_weights([weights[weight.path] for weight in encoder.weights])
    set_precision(encoder, "auto")
    height, width = (
        description["view"][side] + -description["view"][side] % MULTIPLE
        for side in ("height", "width")
    )
    view = ResizeView(kind="resize", height=height, width=width)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def compute(image: tf.Tensor) -> tf.Tensor:
        pixels = view_image(decode_image(image), view)
        return features_of(encoder(pixels[tf.newaxis], training=False))[0]

    return lambda image: compute(tf.constant(image)).numpy()


def features_of(skips: list[tf.Tensor]) -> tf.Tensor:
    """Returns the mean of the deepest skip over all positions, scaled to the length 1.

    Args:
      skips: Output of the encoder, the deepest skip last, [batch, height, width, D].

    Returns:
      float32 [batch, D].
    """
    means = tf.reduce_mean(tf.cast(skips[-1], tf.float32), axis=[1, 2])
    return tf.nn.l2_normalize(means, axis=-1)
