"""Views of an image: the input of the network, either the whole image resized or a crop.

Training and serving call the same functions, so the network gets the same input in both cases.
Padding is black in images and ignored in masks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from data.config import IGNORE, CropView, ResizeView
from data.input_pipeline.crops import BLACK, Pair, cut, random_corner, tiles


class ViewFunctions(NamedTuple):
    """Functions that take views from pairs for training and evaluation, for one kind of view.

    Attributes:
      whole_pair: Prepares the image and the mask of a pair. Arguments: image, uint8 [height, width,
        3]; class ids, uint8 [height, width]; view. Returns image and class ids, resized to the
        view's size or unchanged.
      every_view: Returns the views that together hold each pixel of the pair exactly once.
        Arguments: a pair from `whole_pair`; view. Returns images [views, view.height, view.width,
        3] and class ids [views, view.height, view.width].
      training_window: Returns the part of a pair from which one augmented view is sampled.
        Arguments: a pair from `whole_pair`; view; height and width of the window, at least the
        height and width of the view; share of crops that are placed on a class, 0..1 (see
        `crops.random_corner`); seed, int64 or int32 [2].
    """

    whole_pair: Callable[..., Pair]
    every_view: Callable[..., Pair]
    training_window: Callable[..., Pair]


def view_image(image: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes an image, or a batch of images, bilinearly with anti-aliasing to the view's size.

    Args:
      image: uint8 [height, width, 3] or [batch, height, width, 3].
      view: The view, which sets the size of the result in pixels.

    Returns:
      float32 [view.height, view.width, 3] or [batch, view.height, view.width, 3], in 0..255.
    """
    return tf.image.resize(image, [view.height, view.width], antialias=True)


def view_mask(class_ids: tf.Tensor, view: ResizeView) -> tf.Tensor:
    """Resizes a mask by nearest neighbour, because a mean of class ids would be another class.

    Args:
      class_ids: uint8 [height, width].
      view: The view, which sets the size of the result in pixels.

    Returns:
      uint8 [view.height, view.width], with class ids that occur in `class_ids`.
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
"""Functions of each kind of view, by the name of the kind in the config."""
