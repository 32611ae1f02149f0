"""What the network sees of an image.

Training and the serving graph call the same functions, so they cannot differ. What lies outside an
image is black, and counts nowhere.
"""

import tensorflow as tf

from data.config import IGNORE, CropView, ResizeView

BLACK = 0
"""What an image is padded with, at the bottom and at the right, as the network itself does."""


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


def cut(
    pixels: tf.Tensor,
    corner: tf.Tensor | tuple[int, int],
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    outside: int,
) -> tf.Tensor:
    """Cuts a window out of an image or a mask.

    Args:
      pixels: [image height, image width] or [image height, image width, channels], of any dtype.
      corner: int32 [2], row and column of the window's first pixel. It may lie outside, as long as
        window and image overlap.
      height: The window's.
      width: The window's.
      outside: What the window holds where it reaches beyond the image.

    Returns:
      [height, width] or [height, width, channels] of the same dtype.
    """
    size = tf.shape(pixels)[:2]
    first = tf.maximum(corner, 0)
    last = tf.minimum(tf.add(corner, [height, width]), size)
    inside = pixels[first[0] : last[0], first[1] : last[1]]
    before = first - corner
    after = [height, width] - before - tf.shape(inside)[:2]
    paddings = tf.pad(tf.stack([before, after], axis=1), [[0, pixels.shape.rank - 2], [0, 0]])
    window = tf.pad(inside, paddings, constant_values=tf.cast(outside, pixels.dtype))
    if isinstance(height, int) and isinstance(width, int):
        window.set_shape([height, width, *pixels.shape[2:]])
    return window


def tiles(image: tf.Tensor, class_ids: tf.Tensor, view: CropView) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts a whole image into tiles that do not overlap, each pixel into one of them.

    Args:
      image: uint8 [height, width, 3].
      class_ids: uint8 [height, width].
      view: A tile's size in pixels.

    Returns:
      uint8 [tiles, view.height, view.width, 3] and uint8 [tiles, view.height, view.width], row by
      row. The last ones of a row and of a column are padded: black, and 255, to be ignored.
    """
    return _tiles_of(image, view, BLACK), _tiles_of(class_ids, view, IGNORE)


def random_corner(
    class_ids: tf.Tensor, view: CropView, class_aware: float, seed: tf.Tensor
) -> tf.Tensor:
    """Places a crop: anywhere in the image, or on a class, so that rare classes are seen.

    Args:
      class_ids: uint8 [height, width].
      view: The crop's size in pixels.
      class_aware: Share of the crops, 0..1, that hold a pixel drawn from a class drawn from those
        in the mask, each class with the same chance; a mask all to be ignored has none.
      seed: int64 or int32 [2].

    Returns:
      int32 [2], row and column of the crop's first pixel; 0 where the image is smaller than the
      crop, so that it is padded at the bottom and at the right.
    """
    coin, of_classes, of_pixels, of_corners = tf.unstack(tf.random.split(seed, 4))
    crop = tf.constant([view.height, view.width])
    furthest = tf.maximum(tf.shape(class_ids) - crop, 0)
    counts = tf.math.bincount(tf.cast(class_ids, tf.int32), minlength=IGNORE, maxlength=IGNORE)
    present = tf.where(counts)[:, 0]

    def around_a_pixel() -> tuple[tf.Tensor, tf.Tensor]:
        drawn = tf.cast(_one_of(present, of_classes), class_ids.dtype)
        pixel = tf.cast(_one_of(tf.where(class_ids == drawn), of_pixels), tf.int32)
        return tf.clip_by_value(pixel - crop + 1, 0, furthest), tf.minimum(pixel, furthest)

    lowest, highest = tf.cond(
        (tf.random.stateless_uniform([], coin) < class_aware) & (tf.size(present) > 0),
        around_a_pixel,
        lambda: (tf.zeros([2], tf.int32), furthest),
    )
    choices = tf.cast(highest - lowest + 1, tf.float32)
    return lowest + tf.cast(tf.random.stateless_uniform([2], of_corners) * choices, tf.int32)


def _tiles_of(pixels: tf.Tensor, view: CropView, outside: int) -> tf.Tensor:
    size = tf.constant([view.height, view.width])
    rows, columns = tf.unstack(-(-tf.shape(pixels)[:2] // size))
    padded = cut(pixels, (0, 0), rows * view.height, columns * view.width, outside)
    channels = pixels.shape[2:]
    grid = tf.reshape(padded, [rows, view.height, columns, view.width, *channels])
    return tf.reshape(
        tf.experimental.numpy.swapaxes(grid, 1, 2), [-1, view.height, view.width, *channels]
    )


def _one_of(rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws one of some rows, each with the same chance."""
    return rows[tf.random.stateless_uniform([], seed, 0, tf.shape(rows)[0], tf.int32)]
