"""Segments images of any size with a network; each kind of view has its own class."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import tensorflow as tf

from data.config import CropView, ResizeView, View
from data.input_pipeline.views import view_image
from serving.model.input_statistics import COUNT, input_statistics
from serving.model.sliding_window import sliding_window

Network = Callable[[tf.Tensor], tf.Tensor]
"""A network that ends in a softmax.

Maps float32 images [batch, view.height, view.width, 3] in 0..255 to float32 class probabilities
[batch, view.height, view.width, C].
"""


_View = TypeVar("_View", ResizeView, CropView)


class Inference(ABC, Generic[_View]):
    """Segments images with a network. Each kind of view has its own subclass."""

    def __init__(self, network: Network, view: _View, num_classes: int) -> None:
        """Wraps a network so that it can segment images of any size.

        Args:
          network: The network, including the softmax.
          view: Whether images are resized or cut into windows for the network, and to which size
            in pixels.
          num_classes: Number of classes, C.
        """
        self._network = network
        self._view: _View = view
        self._num_classes = num_classes

    @abstractmethod
    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the class probabilities for images that all have the same size.

        Args:
          images: RGB images, uint8 [batch, height, width, 3].

        Returns:
          Class probabilities, float32 [batch, height, width, C], summing to 1 over the classes.
        """

    @abstractmethod
    def map_images(
        self,
        image_bytes: tf.Tensor,
        decode: Callable[[tf.Tensor], tf.Tensor],
        finish: Callable[[tf.Tensor, tf.Tensor], Any],
        output_signature: Any,
    ) -> Any:
        """Decodes and segments images of any size.

        Args:
          image_bytes: string [batch], contents of image files.
          decode: Function that decodes the contents of one file to an image, uint8 [height, width,
            3].
          finish: Function that computes the outputs for one image from its class probabilities,
            float32 [height, width, C], and its statistics, float32 [COUNT] (see
            `input_statistics`).
          output_signature: Dtypes and shapes of the outputs of `finish`.

        Returns:
          The outputs of `finish` for all images, stacked along a new first dimension.
        """


class ResizeInference(Inference[ResizeView]):
    """Resizes each image to the view's size, and the probabilities back to the image's size."""

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the class probabilities for equally sized images; see `Inference`."""
        return _resize(self._network(view_image(images, self._view)), tf.shape(images)[1:3])

    def map_images(
        self,
        image_bytes: tf.Tensor,
        decode: Callable[[tf.Tensor], tf.Tensor],
        finish: Callable[[tf.Tensor, tf.Tensor], Any],
        output_signature: Any,
    ) -> Any:
        """Decodes and segments images of any size, all in one batch; see `Inference`."""

        def decode_view(encoded: tf.Tensor) -> tuple[tf.Tensor, ...]:
            image = decode(encoded)
            return view_image(image, self._view), tf.shape(image)[:2], input_statistics(image)

        view_shape = [self._view.height, self._view.width, 3]
        views, sizes, statistics = tf.map_fn(
            decode_view,
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec(view_shape, tf.float32),
                tf.TensorSpec([2], tf.int32),
                tf.TensorSpec([COUNT], tf.float32),
            ),
        )
        return tf.map_fn(
            lambda inputs: finish(_resize(*inputs[:2]), inputs[2]),
            (self._network(views), sizes, statistics),
            fn_output_signature=output_signature,
        )


class SlidingInference(Inference[CropView]):
    """Slides a window of the view's size over each image at its original resolution."""

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the class probabilities for equally sized images; see `Inference`."""
        return tf.map_fn(
            self._slide,
            images,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None, self._num_classes], tf.float32),
        )

    def map_images(
        self,
        image_bytes: tf.Tensor,
        decode: Callable[[tf.Tensor], tf.Tensor],
        finish: Callable[[tf.Tensor, tf.Tensor], Any],
        output_signature: Any,
    ) -> Any:
        """Decodes and segments images of any size, one at a time; see `Inference`."""

        def segment(encoded: tf.Tensor) -> Any:
            image = decode(encoded)
            return finish(self._slide(image), input_statistics(image))

        return tf.map_fn(
            segment,
            image_bytes,
            parallel_iterations=1,
            fn_output_signature=output_signature,
        )

    def _slide(self, image: tf.Tensor) -> tf.Tensor:
        return sliding_window(self._network, image, self._view, self._num_classes)


_KINDS: dict[type[View], type[Inference[Any]]] = {
    ResizeView: ResizeInference,
    CropView: SlidingInference,
}


def make_inference(network: Network, view: View, num_classes: int) -> Inference[Any]:
    """Creates the inference object for a given kind of view.

    Args:
      network: The network, including the softmax.
      view: The view, which sets the kind and the size of the network's input.
      num_classes: Number of classes, C.
    """
    return _KINDS[type(view)](network, view, num_classes)


def _resize(probabilities: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resizes class probabilities bilinearly, so that they still sum to 1 at each pixel."""
    return tf.image.resize(probabilities, size)
