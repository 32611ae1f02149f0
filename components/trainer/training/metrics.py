"""The metric that is computed during training: intersection over union (IoU)."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from components.metric_names import IOU, MEAN_IOU, of_class
from data.config import IGNORE


class ClassIoU(keras.metrics.MeanIoU):
    """Computes the IoU of each class and the mean IoU over all labelled pixels."""

    def __init__(self, classes: Sequence[str]) -> None:
        """Creates the metric.

        Args:
          classes: Class names, in order of class id.
        """
        super().__init__(len(classes), name="mean_iou", ignore_class=IGNORE, sparse_y_pred=False)
        self._classes = list(classes)

    def result(self) -> dict[str, tf.Tensor]:
        """Computes the scores from the confusion matrix of all batches since the last reset.

        Returns:
          float32 scalars, by name: `mean_iou`, the mean IoU of the classes that occur in the masks
          or the predictions; `iou/<class>`, the IoU of each class, or NaN if the class occurs in
          neither; `predicted_classes` and `true_classes`, the numbers of classes that occur in the
          predictions and in the masks.
        """
        counts = ops.cast(self.total_cm, "float32")  # confusion matrix [true, predicted]
        hits = ops.diagonal(counts)
        true, predicted = ops.sum(counts, axis=1), ops.sum(counts, axis=0)
        union = true + predicted - hits
        occurs = union > 0
        scores = ops.where(occurs, hits / ops.where(occurs, union, 1.0), 0.0)
        mean = ops.sum(scores) / ops.maximum(ops.sum(ops.cast(occurs, "float32")), 1.0)
        by_class = ops.unstack(ops.where(occurs, scores, np.nan), len(self._classes))
        return {
            MEAN_IOU: mean,
            **{
                of_class(IOU, name): score
                for name, score in zip(self._classes, by_class, strict=True)
            },
            "predicted_classes": ops.sum(ops.cast(predicted > 0, "float32")),
            "true_classes": ops.sum(ops.cast(true > 0, "float32")),
        }
