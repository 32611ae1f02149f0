"""Segments an image of any size with a sliding window."""

from collections.abc import Callable

import tensorflow as tf

from data.config import CropView
from data.input_pipeline.crops import BLACK, cut

WINDOWS_AT_ONCE = 4
"""Maximum number of windows that the network processes in one batch."""
_STEP = 0.75  # step as a share of the window's side; adjacent windows overlap by at least a quarter


def sliding_window(
    network: Callable[[tf.Tensor], tf.Tensor], image: tf.Tensor, view: CropView, num_classes: int
) -> tf.Tensor:
    """Computes class probabilities window by window and blends them where windows overlap.

    Blending gives less weight to pixels near the border of a window, where the network has little
    context, so the result has no visible seams. The memory required depends on the size of the
    image, not on the number of windows.

    Args:
      network: Network that maps float32 images [windows, view.height, view.width, 3] in 0..255 to
        float32 probabilities [windows, view.height, view.width, C].
      image: The image, uint8 [height, width, 3]. An image smaller than the window is padded as in
        training, and the result is cropped to the size of the image.
      view: The view, which sets the size of the window in pixels.
      num_classes: Number of classes, C.

    Returns:
      Class probabilities, float32 [height, width, C], summing to 1 over the classes.
    """
    size = tf.shape(image)[:2]
    window = tf.constant([view.height, view.width])
    whole = tf.maximum(size, window)
    padded = cut(image, (0, 0), whole[0], whole[1], BLACK)
    rows, columns = (_starts(whole[i], side) for i, side in enumerate((view.height, view.width)))
    corners = tf.reshape(tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1), [-1, 2])
    pixels = tf.stack(tf.meshgrid(*map(tf.range, tf.unstack(window)), indexing="ij"), axis=-1)
    weight = _weight(view.height)[:, tf.newaxis] * _weight(view.width)

    def blend(first: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = corners[first : first + WINDOWS_AT_ONCE]
        indices = batch[:, tf.newaxis, tf.newaxis] + pixels
        parts = network(tf.cast(tf.gather_nd(padded, indices), tf.float32))
        ones = tf.ones_like(parts[..., :1])
        weighted = tf.concat([parts, ones], axis=-1) * weight[..., tf.newaxis]
        return first + WINDOWS_AT_ONCE, tf.tensor_scatter_nd_add(total, indices, weighted)

    _, total = tf.while_loop(
        lambda first, _: first < tf.shape(corners)[0],
        blend,
        (0, tf.zeros([*tf.unstack(whole), num_classes + 1])),
        parallel_iterations=1,
    )
    total = total[: size[0], : size[1]]
    return total[..., :-1] / total[..., -1:]


def _starts(length: tf.Tensor, side: int) -> tf.Tensor:
    """Returns the start positions of the windows along an axis, evenly spaced from edge to edge."""
    step = int(side * _STEP)
    count = -(-(length - side) // step) + 1
    return (length - side) * tf.range(count) // tf.maximum(count - 1, 1)


def _weight(side: int) -> tf.Tensor:
    """Returns the pixel weights along a window's side, rising from 1 at both ends to the middle."""
    ramp = tf.range(1, side + 1)
    return tf.cast(tf.minimum(ramp, ramp[::-1]), tf.float32)
