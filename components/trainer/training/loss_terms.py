"""The terms of the training loss, each computed over the labelled pixels of a batch.

Each term is a float32 scalar, which is not negative and approaches 0 for perfect predictions.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

_FOCUS = 2.0  # gamma of the focal loss (Lin et al. 2017)
# Weights of missed pixels and of false alarms in the Tversky loss (Salehi et al. 2017).
_MISSED, _FALSE_ALARM = 0.7, 0.3


class Pixels(NamedTuple):
    """True classes, weights and logits of the pixels of a batch.

    Attributes:
      class_ids: True class ids, int32 [batch, height, width]; 0 for ignored pixels.
      labelled: Whether a pixel is labelled, bool [batch, height, width]; false for ignored pixels.
      weights: Weight of each pixel's class, float32 [batch, height, width]; 0 for ignored pixels.
      logits: Output of the network for C classes, float32 [batch, height, width, C].
    """

    class_ids: tf.Tensor
    labelled: tf.Tensor
    weights: tf.Tensor
    logits: tf.Tensor


def cross_entropy(pixels: Pixels) -> tf.Tensor:
    """Returns the class-weighted mean of the cross-entropy of the pixels."""
    losses = keras.losses.sparse_categorical_crossentropy(
        pixels.class_ids, pixels.logits, from_logits=True
    )
    return _mean(losses, pixels.weights)


def focal(pixels: Pixels) -> tf.Tensor:
    """Returns the class-weighted mean of the focal loss, in which easy pixels count little."""
    losses = keras.losses.categorical_focal_crossentropy(
        _one_hot(pixels), pixels.logits, alpha=1.0, gamma=_FOCUS, from_logits=True
    )
    return _mean(losses, pixels.weights)


def dice(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Dice coefficient, as a mean over the classes in the batch's masks."""
    truth, predicted, axis = _overlap(pixels)
    return _mean_of_present(keras.losses.dice(truth, predicted, axis=axis), truth)


def tversky(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Tversky index, as a mean over the classes in the batch's masks.

    A missed pixel costs more than a false alarm.
    """
    truth, predicted, axis = _overlap(pixels)
    # Keras' documentation swaps the weights: in fact, alpha applies to missed pixels, and beta to
    # false alarms.
    losses = keras.losses.tversky(truth, predicted, alpha=_MISSED, beta=_FALSE_ALARM, axis=axis)
    return _mean_of_present(losses, truth)


def _one_hot(pixels: Pixels) -> tf.Tensor:
    return ops.one_hot(pixels.class_ids, pixels.logits.shape[-1], dtype=pixels.logits.dtype)


def _overlap(pixels: Pixels) -> tuple[tf.Tensor, tf.Tensor, tuple[int, ...]]:
    """Returns one-hot truth and probabilities, both 0 for ignored pixels, and the axes to sum."""
    labelled = ops.cast(pixels.labelled, pixels.logits.dtype)[..., None]
    return _one_hot(pixels) * labelled, ops.softmax(pixels.logits) * labelled, (0, 1, 2)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def _mean_of_present(losses: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    present = ops.cast(ops.any(truth > 0, axis=(0, 1, 2)), losses.dtype)
    return ops.sum(losses * present) / ops.maximum(ops.sum(present), 1.0)
