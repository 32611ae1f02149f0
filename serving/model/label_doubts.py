"""Compares the mask of an image with class probabilities, to find where the mask may be wrong.

The serving graph does this for each image, so that only a small result leaves it. The probabilities
of a large image with many classes take gigabytes.
"""

import tensorflow as tf

from data.config import IGNORE

LABEL_QUALITY, LABEL_DOUBTS = "label_quality", "label_doubts_png_bytes"
"""Names of the results, which are outputs of the `evaluation` signature."""
TEMPERATURE = 0.1
"""Temperature of the soft minimum, as in cleanlab."""
# A pixel is doubtful if the class in the mask has at most the first probability, and another class
# at least the second one.
_UNLIKELY, _LIKELY = 0.2, 0.6


def label_quality(truth: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
    """Returns a mean of the probabilities of the classes in a mask, in which low ones weigh more.

    The weight of a probability p is proportional to exp((1 - p) / `TEMPERATURE`). This soft minimum
    is the label quality score of an image in cleanlab (Lad and Mueller 2023,
    https://arxiv.org/abs/2307.05080).

    Args:
      truth: The mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      given: Probability of the class in the mask at each pixel, float32 [height, width]. Those of
        ignored pixels have no influence.

    Returns:
      float32 scalar, 0..1; a lower value means that the mask is more likely to be wrong. 1 without
      labelled pixels.
    """
    labelled = truth != IGNORE
    lowest = tf.reduce_min(tf.where(labelled, given, 1.0))
    weights = tf.where(labelled, tf.exp((lowest - given) / TEMPERATURE), 0.0)
    return 1 - tf.math.divide_no_nan(tf.reduce_sum(weights * (1 - given)), tf.reduce_sum(weights))


def label_doubts(
    truth: tf.Tensor, predicted: tf.Tensor, confidence: tf.Tensor, given: tf.Tensor
) -> tf.Tensor:
    """Finds the pixels where the model is sure of another class than the one in the mask.

    At such a pixel, the most probable class has a probability of at least 0.6, and the class in the
    mask one of at most 0.2. Areas of one class narrower than three pixels are left out, because
    outlines differ by a pixel in any two drawings.

    Args:
      truth: The mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      predicted: The most probable class at each pixel, int32 [height, width].
      confidence: Probability of this class, float32 [height, width].
      given: Probability of the class in the mask, float32 [height, width].

    Returns:
      uint8 [height, width, 2]: the most probable class at each of these pixels and 255 at all
      others; and the confidence, 0 to 255 for 0 to 1, and 0 at all others.
    """
    doubtful = (truth != IGNORE) & (given <= _UNLIKELY) & (confidence >= _LIKELY)
    classes = tf.where(doubtful, predicted, IGNORE)
    # An opening with a square of 3×3 pixels, of all classes at once. A pixel is the middle of a
    # square of its class if the least and the greatest class id in the square are equal.
    least, greatest = -_highest_around(-classes, -IGNORE), _highest_around(classes, IGNORE)
    middles = tf.where(least == greatest, least, IGNORE)
    inside = _highest_around(tf.where(middles == IGNORE, -1, middles), -1)
    levels = tf.where(inside >= 0, tf.cast(tf.round(255 * confidence), tf.int32), 0)
    found = tf.stack([tf.where(inside >= 0, inside, IGNORE), levels], axis=-1)
    return tf.cast(found, tf.uint8)


def _highest_around(values: tf.Tensor, outside: int) -> tf.Tensor:
    """Returns the highest value in the square of 3×3 pixels around each pixel.

    Args:
      values: int32 [height, width].
      outside: Value beyond the edge of the image.
    """
    padded = tf.pad(values, [[1, 1], [1, 1]], constant_values=outside)
    rows = tf.maximum(tf.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return tf.maximum(tf.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
