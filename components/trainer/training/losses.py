"""The training loss: a weighted sum of terms over the labelled pixels."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from keras import ops

from components.trainer.training import loss_terms
from components.trainer.training.loss_terms import Pixels
from data.config import IGNORE


class SegmentationLoss(keras.losses.Loss):
    """A weighted sum of terms, the functions of `components.trainer.training.loss_terms`.

    Ignored pixels (class id 255) count in none of them.
    """

    def __init__(
        self, terms: Mapping[str, float], class_weights: Sequence[float], **kwargs: object
    ) -> None:
        """Creates the loss.

        Args:
          terms: Weight of each term, by name.
          class_weights: Weight of each class id in `cross_entropy` and `focal`.
          **kwargs: Arguments of every Keras loss.
        """
        super().__init__(**kwargs)
        self.terms = dict(terms)
        self.class_weights = list(class_weights)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Computes the loss of a batch.

        Args:
          y_true: uint8 [batch, height, width], class ids, or 255 to ignore a pixel.
          y_pred: float32 [batch, height, width, C], logits.

        Returns:
          float32 [1].
        """
        labelled = ops.not_equal(y_true, IGNORE)
        class_ids = ops.where(labelled, ops.cast(y_true, "int32"), 0)
        weights = ops.take(ops.convert_to_tensor(self.class_weights, y_pred.dtype), class_ids)
        pixels = Pixels(class_ids, labelled, ops.where(labelled, weights, 0.0), y_pred)
        total = sum(
            weight * getattr(loss_terms, name)(pixels) for name, weight in self.terms.items()
        )
        # Keras divides only a non-scalar loss by the number of replicas.
        return ops.reshape(total, [1])

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        config: dict[str, object] = super().get_config()
        return config | {"terms": self.terms, "class_weights": self.class_weights}


def balanced_weights(fractions: Sequence[float]) -> list[float]:
    """Weighs classes by 1 / √fraction, so that rare classes count more.

    With the square root, a rare class still counts less in total than a frequent one.

    Args:
      fractions: Share of each class among the labelled pixels; a class without pixels gets the
        weight of the rarest class that has some.

    Returns:
      A weight for each class; the mean over the pixels is 1.
    """
    rarest = min((fraction for fraction in fractions if fraction > 0), default=1.0)
    weights = [max(fraction, rarest) ** -0.5 for fraction in fractions]
    mean = sum(w * fraction for w, fraction in zip(weights, fractions, strict=True)) or 1.0
    return [weight / mean for weight in weights]
