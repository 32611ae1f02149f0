"""A temperature for class probabilities, so that the confidence of a model matches its accuracy.

Networks are mostly too sure of their predictions. Temperature scaling (Guo et al. 2017) divides the
logits by one number, the temperature. A model here may average probabilities over windows and
flips, so there are no logits of a pixel; the logarithms of its final probabilities take their
place. For a single pass of the network, both are the same.

The temperature changes no mask: the mask is computed from the probabilities without it.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data.config import IGNORE
from data.examples.parsing import parse_pair
from serving.model.pixel_counts import CALIBRATION_BINS, calibration_counts

# Candidates: from sharper by the factor 8 to softer by the factor 8, in steps of 4 %
_TEMPERATURES = np.exp(np.linspace(-np.log(8), np.log(8), 107))
_PIXELS = 2**14  # pixels of an image that are compared; more would take time and change little


def temper(probabilities: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Applies a temperature to class probabilities.

    Args:
      probabilities: Class probabilities, float32 [..., C].
      temperature: The temperature, float32 scalar; above 1, the result is less sure.

    Returns:
      Class probabilities, float32 [..., C]; the order of the classes is the same.
    """
    powers = _powers(probabilities, temperature)
    return powers / tf.reduce_sum(powers, axis=-1, keepdims=True)


def tempered_confidence(probabilities: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Returns the greatest class probability at each pixel, after applying a temperature.

    Args:
      probabilities: Class probabilities, float32 [..., C].
      temperature: The temperature, float32 scalar.

    Returns:
      float32 [...], 1/C..1.
    """
    powers = _powers(probabilities, temperature)
    return tf.reduce_max(powers, axis=-1) / tf.reduce_sum(powers, axis=-1)


def tempered_confidences(
    probabilities: tf.Tensor, temperature: tf.Tensor, truth: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the probabilities of the predicted and of the true class, with a temperature.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      temperature: The temperature, float32 scalar.
      truth: Mask of class ids, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      The greatest class probability at each pixel, and the probability of the class in the mask,
      float32 [height, width] each; the latter is that of any class at ignored pixels.
    """
    powers = _powers(probabilities, temperature)
    total = tf.reduce_sum(powers, axis=-1)
    class_ids = tf.where(truth == IGNORE, 0, tf.cast(truth, tf.int32))
    given = tf.gather(powers, class_ids, axis=-1, batch_dims=2)
    return tf.reduce_max(powers, axis=-1) / total, given / total


def _powers(probabilities: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    return tf.pow(probabilities, 1 / temperature)


def fit_temperature(
    probabilities: Callable[[tf.Tensor], tf.Tensor], examples: tf.data.Dataset
) -> float:
    """Finds the temperature with the least calibration error.

    The candidates are compared by the error that the Evaluator reports. The likelihood, which is
    usual, depends most on the few pixels of which a network is wrongly sure, and where `val` and
    `test` differ, its temperature left up to three times the error.

    The examples are read once. Their memory is that of one image, since only counts are kept. The
    result is the same each time: fixed pseudo-random numbers choose the pixels of an image.

    Args:
      probabilities: Function that maps images, uint8 [1, height, width, 3], to class probabilities
        without temperature, float32 [1, height, width, C].
      examples: Serialized tf.Examples with images and masks. Ignored pixels do not count.

    Returns:
      The temperature, 1/8..8; 1 if no pixel has a label.
    """
    shape = (len(_TEMPERATURES), CALIBRATION_BINS, 3)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def count(serialized: tf.Tensor) -> tf.Tensor:
        image, truth = parse_pair(serialized)
        predicted = probabilities(image[tf.newaxis])[0]
        labelled = tf.where(tf.reshape(truth != IGNORE, [-1]))[:, 0]
        return tf.cond(
            tf.size(labelled) > 0,
            lambda: _count(predicted, truth, labelled),
            lambda: tf.zeros(shape, tf.float64),
        )

    total = np.zeros(shape)
    for example in examples:
        total += count(example).numpy()
    if not total.any():
        return 1.0
    _, confidence, correct = np.moveaxis(total, -1, 0)
    # All candidates have the same number of pixels, so the sums of the gaps are in the order of the
    # calibration errors.
    return float(_TEMPERATURES[np.abs(confidence - correct).sum(-1).argmin()])


def _count(probabilities: tf.Tensor, truth: tf.Tensor, labelled: tf.Tensor) -> tf.Tensor:
    """Counts the pixels of an image by confidence, at each candidate.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      truth: Ground-truth mask, uint8 [height, width].
      labelled: Flat positions of the labelled pixels, int64 [pixels], at least one.

    Returns:
      float64 [candidates, bins, 3], as of `calibration_counts`.
    """
    number = tf.size(labelled, tf.int64)
    draws = tf.random.stateless_uniform([_PIXELS], (0, 0), maxval=number, dtype=tf.int64)
    # All pixels of a small image, otherwise a sample
    chosen = tf.gather(labelled, tf.cond(number > _PIXELS, lambda: draws, lambda: tf.range(number)))
    some = tf.gather(tf.reshape(probabilities, [-1, tf.shape(probabilities)[-1]]), chosen)
    truths = tf.gather(tf.reshape(truth, [-1]), chosen)
    predicted = tf.argmax(some, axis=-1, output_type=tf.int32)
    counts = tf.map_fn(
        lambda temperature: calibration_counts(
            truths, predicted, tempered_confidence(some, temperature)
        ),
        tf.constant(_TEMPERATURES, tf.float32),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([CALIBRATION_BINS, 3], tf.float64),
    )
    return counts * tf.cast(number / tf.size(chosen, tf.int64), tf.float64)
