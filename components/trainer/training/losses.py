"""The training loss: a weighted sum of loss terms, computed over the labelled pixels."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from keras import ops

from components.trainer.training import loss_terms
from components.trainer.training.loss_terms import Pixels
from data.config import IGNORE


class SegmentationLoss(keras.losses.Loss):
    """A weighted sum of loss terms (see `components.trainer.training.loss_terms`).

    Ignored pixels (class id 255) have no effect on any term.
    """

    def __init__(
        self, terms: Mapping[str, float], class_weights: Sequence[float], **kwargs: object
    ) -> None:
        """Creates the loss.

        Args:
          terms: Weight of each loss term, by name, such as `{"cross_entropy": 1, "dice": 0.5}`.
          class_weights: Weight of each class, in order of class id. The terms `cross_entropy` and
            `focal` give each pixel the weight of its true class; the other terms use no class
            weights.
          **kwargs: Keyword arguments of `keras.losses.Loss`, such as `name`.
        """
        super().__init__(**kwargs)
        self.terms = dict(terms)
        self.class_weights = list(class_weights)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Computes the loss of a batch.

        Args:
          y_true: Ground-truth masks [batch, height, width] with class ids, or 255 for ignored
            pixels. Keras converts uint8 masks to float32 before this call.
          y_pred: Logits for C classes, float32 [batch, height, width, C].

        Returns:
          The loss of the batch, float32 [1].
        """
        labelled = ops.not_equal(y_true, IGNORE)
        class_ids = ops.where(labelled, ops.cast(y_true, "int32"), 0)
        weights = ops.take(ops.convert_to_tensor(self.class_weights, y_pred.dtype), class_ids)
        pixels = Pixels(class_ids, labelled, ops.where(labelled, weights, 0.0), y_pred)
        total = sum(
            weight * getattr(loss_terms, name)(pixels) for name, weight in self.terms.items()
        )
        # The loss must be divided by the number of replicas. Keras does not divide a scalar, so the
        # loss is returned with the shape [1].
        return ops.reshape(total, [1])

    def get_config(self) -> dict[str, object]:
        """Returns the constructor arguments, so that Keras can recreate the loss."""
        config: dict[str, object] = super().get_config()
        return config | {"terms": self.terms, "class_weights": self.class_weights}


def balanced_weights(fractions: Sequence[float]) -> list[float]:
    """Computes class weights proportional to 1 / √fraction, so that rare classes have more weight.

    Because of the square root, all pixels of a rare class together still have less weight than all
    pixels of a frequent class.

    Args:
      fractions: Fraction of the labelled pixels that belong to each class, 0..1, in order of class
        id. A class without pixels gets the weight of the rarest class that has pixels.

    Returns:
      Weight of each class, in order of class id, scaled so that the mean weight of the labelled
      pixels is 1.
    """
    rarest = min((fraction for fraction in fractions if fraction > 0), default=1.0)
    weights = [max(fraction, rarest) ** -0.5 for fraction in fractions]
    mean = sum(w * fraction for w, fraction in zip(weights, fractions, strict=True)) or 1.0
    return [weight / mean for weight in weights]
