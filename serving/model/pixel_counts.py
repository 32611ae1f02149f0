"""Computes pixel counts for each image, from which the Evaluator derives its metrics.

The serving graph computes the counts for each image, and the Evaluator adds up the counts of all
images. The memory required for metrics therefore does not depend on the number of images.
"""

import tensorflow as tf

from data.config import IGNORE

CONFUSION, BOUNDARY, CALIBRATION = "confusion_matrix", "boundary", "calibration"
RAW_CALIBRATION = "raw_calibration"
"""Names of the counts, which are the outputs of the `evaluation` signature."""
CALIBRATION_BINS = 15
"""Number of confidence bins of equal width, as in Guo et al. (2017)."""
BOUNDARY_WIDTH = 0.02
"""Width of the boundary region as a share of the image's diagonal, as in Cheng et al. (2021)."""


def confusion_counts(truth: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Computes the confusion matrix of an image.

    Args:
      truth: Ground-truth mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      predicted: Predicted mask of class ids, int [height, width].
      num_classes: Number of classes, C.

    Returns:
      int64 [C, C], with true classes in rows and predicted classes in columns.
    """
    cells = tf.cast(truth, tf.int32) * num_classes + tf.cast(predicted, tf.int32)
    total = num_classes**2
    counts = tf.math.bincount(
        tf.boolean_mask(cells, truth != IGNORE), minlength=total, maxlength=total, dtype=tf.int64
    )
    return tf.reshape(counts, [num_classes, num_classes])


def boundary_counts(truth: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Counts the pixels in the boundary region of each class, for the Boundary IoU metric.

    The boundary region of a class consists of the pixels of the class that lie within a certain
    chessboard distance of a pixel outside the class. This distance is 2% of the image's diagonal,
    but at least one pixel. Ignored pixels and everything beyond the edge of the image count as
    outside. See Cheng et al. (2021).

    Args:
      truth: Ground-truth mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      predicted: Predicted mask of class ids, int [height, width].
      num_classes: Number of classes, C.

    Returns:
      int64 [C, 2]: for each class, the number of pixels in the intersection and in the union of the
      true and the predicted boundary region.
    """
    labelled = truth != IGNORE
    truth, predicted = tf.cast(truth, tf.int32), tf.cast(predicted, tf.int32)
    size = tf.cast(tf.shape(truth), tf.float64)
    distance = tf.maximum(
        tf.cast(tf.round(BOUNDARY_WIDTH * tf.sqrt(tf.reduce_sum(size**2))), tf.int32), 1
    )

    def count(class_id: tf.Tensor) -> tf.Tensor:
        in_truth = _near_boundary((truth == class_id) & labelled, distance)
        in_prediction = _near_boundary((predicted == class_id) & labelled, distance)
        return tf.stack(
            [
                tf.math.count_nonzero(in_truth & in_prediction),
                tf.math.count_nonzero(in_truth | in_prediction),
            ]
        )

    # Only the classes in the image take time. They are processed one at a time, because all of them
    # at once would need too much memory.
    both = tf.concat([tf.boolean_mask(truth, labelled), tf.boolean_mask(predicted, labelled)], 0)
    occurs = tf.math.bincount(both, minlength=num_classes, maxlength=num_classes) > 0
    present = tf.cast(tf.where(occurs), tf.int32)
    counts = tf.map_fn(
        count,
        present[:, 0],
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([2], tf.int64),
    )
    return tf.scatter_nd(present, counts, [num_classes, 2])


def _near_boundary(inside: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
    """Returns a mask of the region's pixels that are near its boundary, bool [height, width]."""
    side = 2 * distance + 1
    full = tf.cast(inside, tf.int32)
    for axis in (0, 1):
        # Computing the window sums from cumulative sums makes the cost independent of the distance.
        padding = [[0, 0], [0, 0]]
        padding[axis] = [distance + 1, distance]
        total = tf.cumsum(tf.pad(full, padding), axis)
        full = total[side:] - total[:-side] if axis == 0 else total[:, side:] - total[:, :-side]
    return inside & (full < side**2)


def calibration_counts(truth: tf.Tensor, predicted: tf.Tensor, confidence: tf.Tensor) -> tf.Tensor:
    """Counts pixels by confidence, that is, by the highest class probability at each pixel.

    Args:
      truth: Ground-truth mask, uint8 [...]: class ids, and 255 for ignored pixels.
      predicted: Predicted mask of class ids, int32 of the same shape.
      confidence: Highest class probability at each pixel, float32 of the same shape.

    Returns:
      float64 [`CALIBRATION_BINS`, 3]: for each bin, the number of pixels, the sum of their
      confidences, and the number of correctly classified pixels.
    """
    labelled = truth != IGNORE
    confidence = tf.boolean_mask(confidence, labelled)
    correct = tf.boolean_mask(predicted == tf.cast(truth, tf.int32), labelled)
    bins = tf.minimum(tf.cast(confidence * CALIBRATION_BINS, tf.int32), CALIBRATION_BINS - 1)
    weights = (tf.ones_like(confidence), confidence, tf.cast(correct, tf.float32))
    columns = [
        tf.math.bincount(
            bins,
            tf.cast(weight, tf.float64),
            minlength=CALIBRATION_BINS,
            maxlength=CALIBRATION_BINS,
            dtype=tf.float64,
        )
        for weight in weights
    ]
    return tf.stack(columns, axis=1)
