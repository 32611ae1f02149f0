"""The training loss: a weighted sum of terms, over labelled pixels alone."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from keras import ops

from components.trainer.config import LossName
from data.config import IGNORE

_FOCUS = 2.0  # gamma of the focal loss, Lin et al. 2017
_ON_MISSES, _ON_FALSE_ALARMS = 0.7, 0.3  # of the Tversky loss, Salehi et al. 2017


class SegmentationLoss(keras.losses.Loss):
    """A weighted sum of losses.

    Its terms, each near 1 where nothing is learnt yet, and 0 at best:

    - `cross_entropy`: the mean over the labelled pixels, each with its class's weight.
    - `focal`: the same, but a pixel of which the network is sure counts little.
    - `dice`: 1 minus the Dice coefficient of probabilities and truth over the whole batch, mean of
      the classes that are in the batch's masks.
    - `tversky`: the same of the Tversky index, which asks for few missed pixels (weight 0.7) more
      than for few false alarms (0.3).

    A pixel to be ignored, that is of class 255, weighs nothing in any of them.
    """

    def __init__(
        self, terms: Mapping[LossName, float], class_weights: Sequence[float], **kwargs: object
    ) -> None:
        """Takes what is summed.

        Args:
          terms: Names of the terms, and their weights.
          class_weights: A weight for each class id, in `cross_entropy` and `focal`.
          **kwargs: As for any Keras loss.
        """
        super().__init__(**kwargs)
        self.terms = dict(terms)
        self.class_weights = list(class_weights)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Computes the loss of a batch.

        Args:
          y_true: uint8 [batch, height, width], class ids, or 255.
          y_pred: float32 [batch, height, width, C], logits.

        Returns:
          float32 [1].
        """
        labelled = ops.not_equal(y_true, IGNORE)
        class_ids = ops.where(labelled, ops.cast(y_true, "int32"), 0)
        weights = ops.take(ops.convert_to_tensor(self.class_weights, y_pred.dtype), class_ids)
        weights = ops.where(labelled, weights, 0.0)
        total = 0.0
        for name, factor in self.terms.items():
            if name == "cross_entropy":
                term = _mean(_cross_entropy(class_ids, y_pred), weights)
            elif name == "focal":
                term = _mean(_focal(class_ids, y_pred), weights)
            else:
                term = _overlap(name, class_ids, y_pred, labelled)
            total += factor * term
        return ops.reshape(total, [1])  # a scalar would not be divided by the number of replicas

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        config: dict[str, object] = super().get_config()
        return config | {"terms": self.terms, "class_weights": self.class_weights}


def balanced_weights(fractions: Sequence[float]) -> list[float]:
    """Weighs classes by 1 / √fraction, so that rare ones count more, but not as much as all others.

    Args:
      fractions: Share of each class among the labelled pixels; a class without a pixel gets the
        weight of the rarest other one.

    Returns:
      A weight for each class; the mean over the pixels is 1.
    """
    rarest = min((fraction for fraction in fractions if fraction > 0), default=1.0)
    weights = [max(fraction, rarest) ** -0.5 for fraction in fractions]
    mean = sum(w * fraction for w, fraction in zip(weights, fractions, strict=True)) or 1.0
    return [weight / mean for weight in weights]


def _cross_entropy(class_ids: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return keras.losses.sparse_categorical_crossentropy(class_ids, logits, from_logits=True)


def _focal(class_ids: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    one_hot = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)
    return keras.losses.categorical_focal_crossentropy(
        one_hot, logits, alpha=1.0, gamma=_FOCUS, from_logits=True
    )


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def _overlap(name: str, class_ids: tf.Tensor, logits: tf.Tensor, labelled: tf.Tensor) -> tf.Tensor:
    counts = ops.cast(labelled, logits.dtype)[..., None]
    truth = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype) * counts
    predicted = ops.softmax(logits) * counts
    every_pixel = (0, 1, 2)
    if name == "dice":
        by_class = keras.losses.dice(truth, predicted, axis=every_pixel)
    else:
        # Keras calls the missed pixels false positives, and the false alarms false negatives.
        by_class = keras.losses.tversky(
            truth, predicted, alpha=_ON_MISSES, beta=_ON_FALSE_ALARMS, axis=every_pixel
        )
    present = ops.cast(ops.any(truth > 0, axis=every_pixel), logits.dtype)
    return ops.sum(by_class * present) / ops.maximum(ops.sum(present), 1.0)
