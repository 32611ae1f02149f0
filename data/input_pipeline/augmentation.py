"""Random augmentation of training images and their masks.

All geometric changes are combined into one affine transform, so image and mask stay aligned, and
the image is resampled only once: bilinearly, and the mask by nearest neighbour. By contrast, each
augmentation layer of Keras resamples the image again, and older layers interpolate between class
ids (Keras issue 22192).

All random numbers are derived from a seed that is passed with each image, so images can be
augmented in parallel with reproducible results.
"""

import math

import tensorflow as tf

from data.config import IGNORE, Augmentation
from data.input_pipeline.crops import BLACK


def reach(augmentation: Augmentation, height: int, width: int) -> tuple[int, int]:
    """Returns the size of the window from which an augmented crop is sampled.

    The window is larger than the crop, because rotating or shrinking the image moves pixels from
    outside the crop into it.

    Args:
      augmentation: Settings with the kinds and the maximum strengths of the random changes.
      height: Height of the crop in pixels.
      width: Width of the crop in pixels.

    Returns:
      Height and width of the window in pixels. They exceed those of the crop by an even number of
      pixels (or 0), so that window and crop have the same centre.
    """
    greatest = math.radians(augmentation.rotation)

    def along(side: int, other: int) -> int:
        # A rotating rectangle extends furthest along an axis when its diagonal is parallel to that
        # axis.
        angle = min(greatest, math.atan2(other, side))
        longest = side * math.cos(angle) + other * math.sin(angle)
        return side + 2 * math.ceil((longest / (1 - augmentation.scale) - side) / 2)

    return along(height, width), along(width, height)


def augment(
    image: tf.Tensor,
    class_ids: tf.Tensor,
    seed: tf.Tensor,
    augmentation: Augmentation,
    height: int,
    width: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Applies the same random changes to an image and its mask.

    Args:
      image: The image, uint8 or float32 [window height, window width, 3] in 0..255. For crops,
        `reach` gives the size of the window; a resized image is its own window.
      class_ids: Mask of class ids, uint8 [window height, window width].
      seed: Random seed, int64 or int32 [2]; the same seed gives the same changes.
      augmentation: Settings with the kinds and the maximum strengths of the random changes.
      height: Height of the result in pixels.
      width: Width of the result in pixels.

    Returns:
      The image, float32 [height, width, 3] in 0..255, and the mask, uint8 [height, width], taken
      from the centre of the window. Pixels from outside the window are black in the image and 255
      (ignored) in the mask.
    """
    colour_seed, transform_seed = tf.unstack(tf.random.split(seed))
    image = _recolour(tf.cast(image, tf.float32), colour_seed, augmentation)
    if not augmentation.moves:
        return image, class_ids
    transform = _transform(transform_seed, augmentation, tf.shape(class_ids), height, width)
    moved = _sample(transform, image, height, width, "BILINEAR", BLACK)
    moved_ids = _sample(transform, class_ids[..., tf.newaxis], height, width, "NEAREST", IGNORE)
    return moved, moved_ids[..., 0]


def _recolour(image: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    light, contrast, saturation, hue = tf.unstack(tf.random.stateless_uniform([4], seed, -1, 1))
    if share := augmentation.brightness:
        image = tf.image.adjust_brightness(image, light * share * 255)
    if share := augmentation.contrast:
        image = tf.image.adjust_contrast(image, 1 + contrast * share)
    image = tf.clip_by_value(image, 0, 255)  # hue and saturation can be adjusted only in this range
    if share := augmentation.saturation:
        image = tf.image.adjust_saturation(image, 1 + saturation * share)
    if share := augmentation.hue:
        image = tf.image.adjust_hue(image, hue * share)
    return image


def _transform(
    seed: tf.Tensor, augmentation: Augmentation, window: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Returns a random projective transform, float32 [8], from view to window coordinates."""
    flip_x, flip_y, turn, zoom, right, down = tf.unstack(
        tf.random.stateless_uniform([6], seed, -1, 1)
    )
    mirrored = {"none": (), "horizontal": "x", "vertical": "y", "both": "xy"}[augmentation.flip]
    sign_x = tf.sign(flip_x) if "x" in mirrored else 1.0
    sign_y = tf.sign(flip_y) if "y" in mirrored else 1.0
    angle = turn * math.radians(augmentation.rotation)
    factor = 1 + zoom * augmentation.scale
    xx, xy = sign_x * tf.cos(angle) / factor, -sign_y * tf.sin(angle) / factor
    yx, yy = sign_x * tf.sin(angle) / factor, sign_y * tf.cos(angle) / factor
    # Pixel indices start at 0, so the centre of n pixels is at (n - 1) / 2.
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    window_y, window_x = tf.unstack((tf.cast(window, tf.float32) - 1) / 2)
    from_x = window_x + right * augmentation.translation * width - xx * middle_x - xy * middle_y
    from_y = window_y + down * augmentation.translation * height - yx * middle_x - yy * middle_y
    return tf.stack([xx, xy, from_x, yx, yy, from_y, 0.0, 0.0])


def _sample(
    transform: tf.Tensor,
    pixels: tf.Tensor,
    height: int,
    width: int,
    interpolation: str,
    outside: int,
) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=[height, width],
        fill_value=float(outside),
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )[0]
