"""What an image adds to the metrics: counts of its pixels, made in the graph that serves.

They are small, and add up: so a metric over any number of images, or over any slice of them, needs
no more memory than for one.
"""

import tensorflow as tf

from data.config import IGNORE

CONFUSION, BOUNDARY, CALIBRATION = "confusion_matrix", "boundary", "calibration"
"""Names of the counts, as the signature `evaluation` returns them."""
CALIBRATION_BINS = 15
"""Equal parts of 0..1 that confidences are sorted into, as in Guo et al. 2017."""
BOUNDARY_WIDTH = 0.02
"""Of a boundary to either side, as a share of the image's diagonal: Cheng et al. 2021."""


def confusion_counts(truth: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Counts the pixels of each pair of classes.

    Args:
      truth: uint8 [height, width], class ids, or 255 for pixels to be left out.
      predicted: int [height, width], class ids.
      num_classes: C.

    Returns:
      int64 [C, C], truth in rows, prediction in columns.
    """
    cells = tf.cast(truth, tf.int32) * num_classes + tf.cast(predicted, tf.int32)
    total = num_classes**2
    counts = tf.math.bincount(
        tf.boolean_mask(cells, truth != IGNORE), minlength=total, maxlength=total, dtype=tf.int64
    )
    return tf.reshape(counts, [num_classes, num_classes])


def boundary_counts(truth: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Counts the pixels of each class that are near its boundary.

    Near is what lies inside, at most 2 % of the image's diagonal (one pixel at least) from the
    outside in either direction; beyond the image's edge is outside, and so are pixels to be left
    out. See Cheng et al. 2021 (Boundary IoU).

    Args:
      truth: uint8 [height, width], class ids, or 255 for pixels to be left out.
      predicted: int [height, width], class ids.
      num_classes: C.

    Returns:
      int64 [C, 2]: pixels near both the true and the predicted boundary, and those near either.
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

    # One class at a time: large images have room for no more.
    return tf.map_fn(
        count,
        tf.range(num_classes),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([2], tf.int64),
    )


def _near_boundary(inside: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
    """Leaves of a region, bool [height, width], what an erosion by a square takes away."""
    side = 2 * distance + 1
    full = tf.cast(inside, tf.int32)
    for axis in (0, 1):
        # Sums over windows: differences of running sums, so that the distance costs nothing.
        padding = [[0, 0], [0, 0]]
        padding[axis] = [distance + 1, distance]
        total = tf.cumsum(tf.pad(full, padding), axis)
        full = total[side:] - total[:-side] if axis == 0 else total[:, side:] - total[:, :-side]
    return inside & (full < side**2)


def calibration_counts(truth: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """Sorts the pixels by confidence, that is by the greatest probability.

    Args:
      truth: uint8 [height, width], class ids, or 255 for pixels to be left out.
      probabilities: float32 [height, width, C].

    Returns:
      float64 [`CALIBRATION_BINS`, 3]: of each bin the pixels, the sum of their confidences, and how
      many are right.
    """
    labelled = truth != IGNORE
    confidence = tf.boolean_mask(tf.reduce_max(probabilities, axis=-1), labelled)
    predicted = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    right = tf.boolean_mask(predicted == tf.cast(truth, tf.int32), labelled)
    bins = tf.minimum(tf.cast(confidence * CALIBRATION_BINS, tf.int32), CALIBRATION_BINS - 1)
    weights = (tf.ones_like(confidence), confidence, tf.cast(right, tf.float32))
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
