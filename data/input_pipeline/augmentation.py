"""Random changes of training images that leave their meaning as it is.

All moves of an image are one affine map, through which the image is read bilinearly and its mask by
nearest neighbour: the two cannot part, and the image is blurred once at most. (Keras' own layers
resample once each, and older ones interpolate between class ids, keras#22192.) Everything drawn at
random follows from a seed given with the image: it can be computed in parallel, and comes out the
same again.
"""

import math

import tensorflow as tf

from data.config import IGNORE, Augmentation
from data.input_pipeline.views import BLACK


def reach(augmentation: Augmentation, height: int, width: int) -> tuple[int, int]:
    """Returns the size of the window that an augmented image is read from.

    Turned or made smaller, an image shows what was outside; where there is more to see, `augment`
    should be given it.

    Args:
      augmentation: What may be done.
      height: Of the augmented image.
      width: Of the augmented image.

    Returns:
      Height and width, at least those given and by an even number greater, so that the two have one
      centre.
    """
    most = math.radians(augmentation.rotation)

    def along(side: int, other: int) -> int:
        # A turned rectangle is longest when its diagonal lies along the axis.
        angle = min(most, math.atan2(other, side))
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
    """Changes an image at random, and moves its mask with it.

    Args:
      image: uint8 or float32 [window height, window width, 3] in 0..255; `reach` says how large a
        window is of use.
      class_ids: uint8 [window height, window width].
      seed: int64 or int32 [2]; the same seed makes the same change.
      augmentation: What may be done.
      height: Of the result, in the middle of the window.
      width: Of the result.

    Returns:
      float32 [height, width, 3] in 0..255 and uint8 [height, width]. What moves in from outside the
      window is black, and 255 in the mask.
    """
    of_colour, of_moves = tf.unstack(tf.random.split(seed))
    image = _recolour(tf.cast(image, tf.float32), of_colour, augmentation)
    if not augmentation.moves:
        return image, class_ids
    transform = _transform(of_moves, augmentation, tf.shape(class_ids), height, width)
    moved = _read_through(transform, image, height, width, "BILINEAR", BLACK)
    moved_ids = _read_through(
        transform, class_ids[..., tf.newaxis], height, width, "NEAREST", IGNORE
    )
    return moved, moved_ids[..., 0]


def _recolour(image: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    light, contrast, saturation, hue = tf.unstack(tf.random.stateless_uniform([4], seed, -1, 1))
    if share := augmentation.brightness:
        image = tf.image.adjust_brightness(image, light * share * 255)
    if share := augmentation.contrast:
        image = tf.image.adjust_contrast(image, 1 + contrast * share)
    image = tf.clip_by_value(image, 0, 255)  # colours have a hue and a saturation only in there
    if share := augmentation.saturation:
        image = tf.image.adjust_saturation(image, 1 + saturation * share)
    if share := augmentation.hue:
        image = tf.image.adjust_hue(image, hue * share)
    return image


def _transform(
    seed: tf.Tensor, augmentation: Augmentation, window: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Draws the map from pixels of the result to pixels of the window, as TensorFlow takes it."""
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
    # Around the middle, which for an even number of pixels lies between two of them.
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    window_y, window_x = tf.unstack((tf.cast(window, tf.float32) - 1) / 2)
    from_x = window_x + right * augmentation.translation * width - xx * middle_x - xy * middle_y
    from_y = window_y + down * augmentation.translation * height - yx * middle_x - yy * middle_y
    return tf.stack([xx, xy, from_x, yx, yy, from_y, 0.0, 0.0])


def _read_through(
    transform: tf.Tensor, pixels: tf.Tensor, height: int, width: int, how: str, outside: int
) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=[height, width],
        fill_value=float(outside),
        interpolation=how,
        fill_mode="CONSTANT",
    )[0]
