"""Views: the input of the network, which is either the whole image, resized, or a crop.

Training and serving call the same functions, so the network gets the same input in both cases.
Padding pixels are black in images and 255 (ignored) in masks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from data.config import IGNORE, CropView, ResizeView
from data.input_pipeline.crops import BLACK, Pair, cut, random_corner, tiles


class ViewFunctions(NamedTuple):
    """Functions for one kind of view, which turn image–mask pairs into input for the network.

    Attributes:
      whole_pair: Resizes the image and the mask of a pair to the size of the view, or, for crops,
        returns them unchanged. Arguments: image, uint8 [height, width, 3]; class ids, uint8
        [height, width]; view.
      every_view: Divides a pair into views that together cover each of its pixels exactly once.
        Arguments: image and class ids from `whole_pair`; view. Returns images [views, view.height,
        view.width, 3] and class ids [views, view.height, view.width].
      training_window: Returns the part of a pair from which one augmented view is sampled; for a
        resized image, that is the whole pair. Arguments: image and class ids from `whole_pair`;
        view; height and width of the window, which are at least those of the view; share of crops,
        0..1, that are placed so that they contain a pixel of a random class (see
        `crops.random_corner`); seed, int64 or int32 [2].
    """

    whole_pair: Callable[..., Pair]
    every_view: Callable[..., Pair]
    training_window: Callable[..., Pair]


def view_image(image: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes an image or a batch of images to the size of the view, bilinearly with anti-aliasing.

    Args:
      image: The image, uint8 [height, width, 3], or the batch, uint8 [batch, height, width, 3].
      view: View settings, with the height and the width of the result in pixels.

    Returns:
      The resized image or images, float32 [view.height, view.width, 3] or [batch, view.height,
      view.width, 3], in 0..255.
    """
    return tf.image.resize(image, [view.height, view.width], antialias=True)


def view_mask(class_ids: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes a mask by nearest neighbour, because the mean of two class ids is an unrelated class.

    Args:
      class_ids: Mask of class ids, uint8 [height, width].
      view: View settings, with the height and the width of the result in pixels.

    Returns:
      The resized mask, uint8 [view.height, view.width]; no new class ids are introduced.
    """
    return tf.image.resize(class_ids[..., tf.newaxis], [view.height, view.width], method="nearest")[
        ..., 0
    ]


def _crop_window(
    image: tf.Tensor,
    class_ids: tf.Tensor,
    view: CropView,
    size: tuple[int, int],
    class_aware: float,
    seed: tf.Tensor,
) -> Pair:
    height, width = size
    corner = random_corner(class_ids, view, class_aware, seed)
    corner -= [(height - view.height) // 2, (width - view.width) // 2]
    return cut(image, corner, *size, BLACK), cut(class_ids, corner, *size, IGNORE)


def _resized(image: tf.Tensor, class_ids: tf.Tensor, view: ResizeView) -> Pair:
    return view_image(image, view), view_mask(class_ids, view)


def _only_view(image: tf.Tensor, class_ids: tf.Tensor, _: ResizeView) -> Pair:
    return image[tf.newaxis], class_ids[tf.newaxis]


def _unchanged(image: tf.Tensor, class_ids: tf.Tensor, *_: Any) -> Pair:
    return image, class_ids


VIEW_FUNCTIONS = {
    "resize": ViewFunctions(_resized, every_view=_only_view, training_window=_unchanged),
    "crop": ViewFunctions(_unchanged, every_view=tiles, training_window=_crop_window),
}
"""Maps each kind of view, as named in the config, to its functions."""
