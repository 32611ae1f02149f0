"""The terms of the training loss, each computed over the labelled pixels of a batch.

Each term is a non-negative float32 scalar that approaches 0 as the predictions become perfect.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

_FOCUS = 2.0  # gamma, the focusing parameter of the focal loss (Lin et al. 2017)
# Weights of false negatives and false positives in the Tversky loss (Salehi et al. 2017).
_MISSED, _FALSE_ALARM = 0.7, 0.3


class Pixels(NamedTuple):
    """Ground-truth classes, class weights and logits of the pixels in a batch.

    Attributes:
      class_ids: Ground-truth class ids, int32 [batch, height, width]; 0 for ignored pixels.
      labelled: Whether each pixel is labelled, bool [batch, height, width]; False for ignored
        pixels.
      weights: Class weight of each pixel, float32 [batch, height, width]; 0 for ignored pixels.
      logits: Network output before the softmax, float32 [batch, height, width, C] for C classes.
    """

    class_ids: tf.Tensor
    labelled: tf.Tensor
    weights: tf.Tensor
    logits: tf.Tensor


def cross_entropy(pixels: Pixels) -> tf.Tensor:
    """Returns the mean cross-entropy of the labelled pixels, weighted by class."""
    losses = keras.losses.sparse_categorical_crossentropy(
        pixels.class_ids, pixels.logits, from_logits=True
    )
    return _mean(losses, pixels.weights)


def focal(pixels: Pixels) -> tf.Tensor:
    """Returns the mean focal loss of the labelled pixels, weighted by class.

    The focal loss gives little weight to pixels whose true class is predicted with high confidence.
    """
    losses = keras.losses.categorical_focal_crossentropy(
        _one_hot(pixels), pixels.logits, alpha=1.0, gamma=_FOCUS, from_logits=True
    )
    return _mean(losses, pixels.weights)


def dice(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Dice coefficient, averaged over the classes in the batch's masks."""
    truth, predicted, axis = _overlap(pixels)
    return _mean_of_present(keras.losses.dice(truth, predicted, axis=axis), truth)


def tversky(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Tversky index, averaged over the classes in the batch's masks.

    A false negative (a missed pixel) costs more than a false positive.
    """
    truth, predicted, axis = _overlap(pixels)
    # Keras' documentation has the weights the wrong way round: `alpha` weights false negatives, and
    # `beta` weights false positives.
    losses = keras.losses.tversky(truth, predicted, alpha=_MISSED, beta=_FALSE_ALARM, axis=axis)
    return _mean_of_present(losses, truth)


def _one_hot(pixels: Pixels) -> tf.Tensor:
    return ops.one_hot(pixels.class_ids, pixels.logits.shape[-1], dtype=pixels.logits.dtype)


def _overlap(pixels: Pixels) -> tuple[tf.Tensor, tf.Tensor, tuple[int, ...]]:
    """Returns the one-hot ground truth, the predicted probabilities and the axes to sum over.

    Ground truth and probabilities are 0 for ignored pixels.
    """
    labelled = ops.cast(pixels.labelled, pixels.logits.dtype)[..., None]
    return _one_hot(pixels) * labelled, ops.softmax(pixels.logits) * labelled, (0, 1, 2)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def _mean_of_present(losses: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    present = ops.cast(ops.any(truth > 0, axis=(0, 1, 2)), losses.dtype)
    return ops.sum(losses * present) / ops.maximum(ops.sum(present), 1.0)
