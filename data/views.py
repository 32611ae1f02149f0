"""What the network sees of an image.

Training and the serving graph call the same functions, so they cannot differ.
"""

import tensorflow as tf

from data.config import ResizeView


def view_image(image: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes an image to the view, bilinearly, averaging where it shrinks.

    Args:
      image: uint8 [height, width, 3].
      view: The view's size in pixels.

    Returns:
      float32 [view.height, view.width, 3] in 0..255.
    """
    return tf.image.resize(image, [view.height, view.width], antialias=True)


def view_mask(class_ids: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes a mask by nearest neighbour: the mean of two class ids would be a third class.

    Args:
      class_ids: uint8 [height, width].
      view: The view's size in pixels.

    Returns:
      uint8 [view.height, view.width], only of values that the mask holds.
    """
    return tf.image.resize(class_ids[..., tf.newaxis], [view.height, view.width], method="nearest")[
        ..., 0
    ]
