"""The terms that a training loss is made of, each computed over the labelled pixels of a batch.

A term is near 1 before anything is learnt, and 0 at best.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

_FOCUS = 2.0  # gamma of the focal loss (Lin et al. 2017)
_MISSED, _FALSE_ALARM = 0.7, 0.3  # weights of the Tversky loss (Salehi et al. 2017)


class Pixels(NamedTuple):
    """The pixels of a batch.

    Attributes:
      class_ids: int32 [batch, height, width], 0 where a pixel is ignored.
      labelled: bool [batch, height, width], false where a pixel is ignored.
      weights: float32 [batch, height, width], weight of each pixel's class, 0 where it is ignored.
      logits: float32 [batch, height, width, C].
    """

    class_ids: tf.Tensor
    labelled: tf.Tensor
    weights: tf.Tensor
    logits: tf.Tensor


def cross_entropy(pixels: Pixels) -> tf.Tensor:
    """Returns the weighted mean of the cross-entropy."""
    losses = keras.losses.sparse_categorical_crossentropy(
        pixels.class_ids, pixels.logits, from_logits=True
    )
    return _mean(losses, pixels.weights)


def focal(pixels: Pixels) -> tf.Tensor:
    """Returns the weighted mean of the focal loss: pixels of high confidence count little."""
    losses = keras.losses.categorical_focal_crossentropy(
        _one_hot(pixels), pixels.logits, alpha=1.0, gamma=_FOCUS, from_logits=True
    )
    return _mean(losses, pixels.weights)


def dice(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Dice coefficient of the batch, a mean over the classes in its masks."""
    truth, predicted, axis = _overlap(pixels)
    return _mean_of_present(keras.losses.dice(truth, predicted, axis=axis), truth)


def tversky(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Tversky index, where a missed pixel costs more than a false alarm."""
    truth, predicted, axis = _overlap(pixels)
    # Keras' documentation swaps the two weights: alpha in fact applies to missed pixels, and beta
    # to false alarms.
    losses = keras.losses.tversky(truth, predicted, alpha=_MISSED, beta=_FALSE_ALARM, axis=axis)
    return _mean_of_present(losses, truth)


def _one_hot(pixels: Pixels) -> tf.Tensor:
    return ops.one_hot(pixels.class_ids, pixels.logits.shape[-1], dtype=pixels.logits.dtype)


def _overlap(pixels: Pixels) -> tuple[tf.Tensor, tf.Tensor, tuple[int, ...]]:
    """Truth and probabilities of the labelled pixels, and the axes to sum over."""
    labelled = ops.cast(pixels.labelled, pixels.logits.dtype)[..., None]
    return _one_hot(pixels) * labelled, ops.softmax(pixels.logits) * labelled, (0, 1, 2)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def _mean_of_present(losses: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    present = ops.cast(ops.any(truth > 0, axis=(0, 1, 2)), losses.dtype)
    return ops.sum(losses * present) / ops.maximum(ops.sum(present), 1.0)
