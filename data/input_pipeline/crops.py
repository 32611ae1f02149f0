"""Cuts crops and tiles out of images and their masks.

Padding pixels are black in images and 255 (ignored) in masks.
"""

import tensorflow as tf

from data.config import IGNORE, CropView

BLACK = 0
"""Value of padding pixels in images. The network pads its input with the same value."""

Pair = tuple[tf.Tensor, tf.Tensor]


def cut(
    pixels: tf.Tensor,
    corner: tf.Tensor | tuple[int, int],
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    outside: int,
) -> tf.Tensor:
    """Cuts a window out of an image or a mask.

    Args:
      pixels: Image or mask of any dtype, [image height, image width] or [image height, image width,
        channels].
      corner: Row and column of the window's first pixel, int32 [2]. The corner may be outside the
        image, as long as window and image overlap.
      height: Height of the window in pixels.
      width: Width of the window in pixels.
      outside: Value of the pixels outside the image.

    Returns:
      The window, [height, width] or [height, width, channels], with the dtype of `pixels`.
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


def tiles(image: tf.Tensor, class_ids: tf.Tensor, view: CropView) -> Pair:
    """Cuts an image and its mask into tiles that cover every pixel without overlapping.

    Args:
      image: The image, uint8 [height, width, 3].
      class_ids: Mask of class ids, uint8 [height, width].
      view: Crop settings; each tile has the size of a crop.

    Returns:
      The image tiles, uint8 [tiles, view.height, view.width, 3], and the mask tiles, uint8 [tiles,
      view.height, view.width], row by row. Tiles that extend beyond the right or bottom edge are
      padded with black in the image and with 255 (ignored) in the mask.
    """
    return _tiles_of(image, view, BLACK), _tiles_of(class_ids, view, IGNORE)


def random_corner(
    class_ids: tf.Tensor, view: CropView, class_aware: float, seed: tf.Tensor
) -> tf.Tensor:
    """Chooses a random position for a crop: anywhere, or around a pixel of a random class.

    Args:
      class_ids: Mask of class ids, uint8 [height, width].
      view: Crop settings, with the height and the width of the crop.
      class_aware: Probability, 0..1, of placing the crop so that it contains a random pixel of a
        random class. All classes in the mask are equally likely, so crops often contain rare
        classes. If the mask has no labelled pixel, the crop is placed anywhere.
      seed: Random seed, int64 or int32 [2].

    Returns:
      Row and column of the crop's first pixel, int32 [2]. If the image is shorter or narrower than
      the crop, the row or the column is 0, so that the padding is at the bottom or on the right.
    """
    coin, class_seed, pixel_seed, corner_seed = tf.unstack(tf.random.split(seed, 4))
    crop = tf.constant([view.height, view.width])
    furthest = tf.maximum(tf.shape(class_ids) - crop, 0)
    counts = tf.math.bincount(tf.cast(class_ids, tf.int32), minlength=IGNORE, maxlength=IGNORE)
    present = tf.where(counts)[:, 0]

    def around_a_pixel() -> tuple[tf.Tensor, tf.Tensor]:
        drawn = tf.cast(_one_of(present, class_seed), class_ids.dtype)
        pixel = tf.cast(_one_of(tf.where(class_ids == drawn), pixel_seed), tf.int32)
        return tf.clip_by_value(pixel - crop + 1, 0, furthest), tf.minimum(pixel, furthest)

    lowest, highest = tf.cond(
        (tf.random.stateless_uniform([], coin) < class_aware) & (tf.size(present) > 0),
        around_a_pixel,
        lambda: (tf.zeros([2], tf.int32), furthest),
    )
    choices = tf.cast(highest - lowest + 1, tf.float32)
    return lowest + tf.cast(tf.random.stateless_uniform([2], corner_seed) * choices, tf.int32)


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
    """Returns a random row of a tensor; all rows are equally likely."""
    return rows[tf.random.stateless_uniform([], seed, 0, tf.shape(rows)[0], tf.int32)]
