"""What is measured while training."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from data.config import IGNORE


class ClassIoU(keras.metrics.MeanIoU):
    """Intersection over union of each class, and their mean, over all labelled pixels."""

    def __init__(self, classes: Sequence[str]) -> None:
        """Takes the classes.

        Args:
          classes: Names, by class id.
        """
        super().__init__(len(classes), name="mean_iou", ignore_class=IGNORE, sparse_y_pred=False)
        self._classes = list(classes)

    def result(self) -> dict[str, tf.Tensor]:
        """Computes the scores.

        Returns:
          float32 scalars: `mean_iou`, over the classes in truth or prediction; `iou/<class>`, NaN
          for a class in neither; `predicted_classes`, how many were predicted at all, and
          `true_classes`, how many the masks hold.
        """
        counts = ops.cast(self.total_cm, "float32")  # truth by prediction
        hits = ops.diagonal(counts)
        of_truth, of_prediction = ops.sum(counts, axis=1), ops.sum(counts, axis=0)
        union = of_truth + of_prediction - hits
        occurs = union > 0
        scores = ops.where(occurs, hits / ops.where(occurs, union, 1.0), 0.0)
        mean = ops.sum(scores) / ops.maximum(ops.sum(ops.cast(occurs, "float32")), 1.0)
        by_class = ops.unstack(ops.where(occurs, scores, np.nan), len(self._classes))
        return {
            "mean_iou": mean,
            **{f"iou/{name}": score for name, score in zip(self._classes, by_class, strict=True)},
            "predicted_classes": ops.sum(ops.cast(of_prediction > 0, "float32")),
            "true_classes": ops.sum(ops.cast(of_truth > 0, "float32")),
        }
