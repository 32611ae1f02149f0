"""The terms of the training loss, each computed over the labelled pixels of a batch.

Each term is a non-negative float32 scalar that approaches 0 as the predictions become perfect. With
several devices, sums are taken over the whole batch, so the terms are those of one device.
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
    return _overlap_loss(pixels, missed=0.5, false_alarm=0.5)


def tversky(pixels: Pixels) -> tf.Tensor:
    """Returns 1 minus the Tversky index, averaged over the classes in the batch's masks.

    A false negative (a missed pixel) costs more than a false positive.
    """
    return _overlap_loss(pixels, missed=_MISSED, false_alarm=_FALSE_ALARM)


def _one_hot(pixels: Pixels) -> tf.Tensor:
    return ops.one_hot(pixels.class_ids, pixels.logits.shape[-1], dtype=pixels.logits.dtype)


def _overlap_loss(pixels: Pixels, *, missed: float, false_alarm: float) -> tf.Tensor:
    """Returns 1 minus the Tversky index, averaged over the classes in the batch's masks.

    Args:
      pixels: The pixels of the batch.
      missed: Weight of false negatives.
      false_alarm: Weight of false positives. With 0.5 for both weights, the index is the Dice
        coefficient.
    """
    hits, true_pixels, predicted_pixels = _class_sums(pixels)
    errors = missed * (true_pixels - hits) + false_alarm * (predicted_pixels - hits)
    smooth = keras.config.epsilon()
    return _mean_of_present(1 - (hits + smooth) / (hits + errors + smooth), true_pixels)


def _class_sums(pixels: Pixels) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns three sums over the labelled pixels for each class, float32 [C].

    Returns:
      The probabilities of the class at its true pixels, the number of its true pixels, and its
      probabilities at all pixels.
    """
    labelled = ops.cast(pixels.labelled, pixels.logits.dtype)[..., None]
    truth, predicted = _one_hot(pixels) * labelled, ops.softmax(pixels.logits) * labelled
    sums = [ops.sum(part, (0, 1, 2)) for part in (truth * predicted, truth, predicted)]
    hits, true_pixels, predicted_pixels = ops.unstack(_over_devices(ops.stack(sums)), 3)
    return hits, true_pixels, predicted_pixels


def _mean_of_present(losses: tf.Tensor, true_pixels: tf.Tensor) -> tf.Tensor:
    present = ops.cast(true_pixels > 0, losses.dtype)
    return ops.sum(losses * present) / ops.maximum(ops.sum(present), 1.0)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    sums = ops.stack([ops.sum(losses * weights), ops.sum(weights)])
    total, weight = ops.unstack(_over_devices(sums), 2)
    return total / ops.maximum(weight, keras.config.epsilon())


def _over_devices(sums: tf.Tensor) -> tf.Tensor:
    """Adds up the sums of all devices that share the batch."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return sums
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
