"""The SavedModel: the whole inference path, from an image's bytes to its mask."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from data.config import CropView, View
from data.examples.parsing import decode_image, encoded_size, parse_pair
from data.input_pipeline.views import view_image
from serving.config import MAX_PIXELS
from serving.model.pixel_counts import (
    BOUNDARY,
    CALIBRATION,
    CALIBRATION_BINS,
    CONFUSION,
    boundary_counts,
    calibration_counts,
    confusion_counts,
)
from serving.model.sliding_window import sliding_window
from serving.model.warmup import write_warmup_requests

DESCRIPTION = "assets.extra/unetfx.json"
"""File in the SavedModel with `export_saved_model`'s arguments. TF Serving passes it by."""
WEIGHT = "_weights/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Name of a weight in the SavedModel's checkpoint, by its number: where `ServingGraph` has it."""
_DAMAGED = -1  # no number of pixels. A tensor here would make TensorFlow start at import


def export_saved_model(
    network: keras.Model,
    path: str,
    *,
    classes: Sequence[str],
    view: View,
    intensity_range: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Writes a SavedModel that plain TensorFlow loads, without Keras and without this project.

    In `assets.extra` it says what it is (`DESCRIPTION`), and holds the requests that TF Serving
    warms it up with.

    Args:
      network: From float32 images [batch, height, width, 3] in 0..255 to float32 logits [batch,
        height, width, C].
      path: The SavedModel's folder.
      classes: Names of the C classes.
      view: What the network sees of an image. A crop slides over images of any size, at their own
        resolution.
      intensity_range: The samples of 16-bit images that become 0 and 255; None for the upper 8 of
        the 16 bits.
      max_pixels: Larger images are refused before they are decoded.
      config: What the network was built and trained by, to be kept beside it.
    """
    graph = ServingGraph(network, len(classes), view, intensity_range, max_pixels)
    signatures = {
        name: getattr(graph, name) for name in ("serving_default", "probabilities", "evaluation")
    }
    tf.saved_model.save(graph, path, signatures=signatures)
    tf.io.gfile.makedirs(os.path.dirname(os.path.join(path, DESCRIPTION)))
    with tf.io.gfile.GFile(os.path.join(path, DESCRIPTION), "w") as file:
        description = {
            "classes": list(classes),
            "view": view.model_dump(),
            "intensity_range": intensity_range,
            "max_pixels": max_pixels,
            "config": config,
            # The checkpoint knows the weights by number alone.
            "weights": [weight.path for weight in network.weights],
        }
        file.write(json.dumps(description, indent=2))
    write_warmup_requests(path, view)


class ServingGraph(tf.Module):
    """The three signatures."""

    def __init__(
        self,
        network: keras.Model,
        num_classes: int,
        view: View,
        intensity_range: tuple[int, int] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Wraps a network.

        Args:
          network: As for `export_saved_model`.
          num_classes: C.
          view: What the network sees of an image.
          intensity_range: As for `export_saved_model`.
          max_pixels: As for `export_saved_model`.
        """
        super().__init__()
        # Its weights alone are tracked: the network itself would bring Keras' own functions, and
        # the optimizer's state, into the SavedModel.
        self._network = lambda views: network(views, training=False)
        self._weights = [weight.value for weight in network.weights]
        self._decode = lambda encoded: decode_image(encoded, intensity_range)
        self._num_classes = num_classes
        self._view = view
        self._max_pixels = max_pixels

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Segments images.

        Args:
          image_bytes: string [batch], each the bytes of a PNG, JPEG, BMP or GIF file, of any sizes.
            One that is none of these, or damaged, or has too many pixels is an error that names
            its position in the batch.

        Returns:
          - mask_png_bytes: string [batch], one-channel PNGs of class ids, each of its image's size.
          - class_fraction: float32 [batch, C], each class's share of the mask's pixels.
          - confidence: float32 [batch], the mean over the pixels of the greatest probability,
            1/C..1.
        """

        def answer(probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
            class_ids = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
            counts = tf.math.bincount(
                class_ids, minlength=self._num_classes, maxlength=self._num_classes
            )
            return {
                "mask_png_bytes": tf.io.encode_png(tf.cast(class_ids, tf.uint8)[..., tf.newaxis]),
                "class_fraction": tf.cast(counts, tf.float32)
                / tf.cast(tf.size(class_ids), tf.float32),
                "confidence": tf.reduce_mean(tf.reduce_max(probabilities, axis=-1)),
            }

        image_bytes = self._refuse_bad_images(image_bytes)
        answers = {
            "mask_png_bytes": tf.TensorSpec([], tf.string),
            "class_fraction": tf.TensorSpec([self._num_classes], tf.float32),
            "confidence": tf.TensorSpec([], tf.float32),
        }
        view = self._view
        if isinstance(view, CropView):
            return tf.map_fn(
                lambda encoded: answer(self._slide(self._decode(encoded), view)),
                image_bytes,
                parallel_iterations=1,
                fn_output_signature=answers,
            )

        def look(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = self._decode(encoded)
            return view_image(image, view), tf.shape(image)[:2]

        size = [view.height, view.width, 3]
        views, sizes = tf.map_fn(
            look,
            image_bytes,
            fn_output_signature=(tf.TensorSpec(size, tf.float32), tf.TensorSpec([2], tf.int32)),
        )
        return tf.map_fn(
            lambda inputs: answer(_resize(*inputs)),
            (self._probabilities_of_views(views), sizes),
            fn_output_signature=answers,
        )

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")])
    def probabilities(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns every class's probability at every pixel.

        Args:
          images: uint8 [batch, height, width, 3], RGB.

        Returns:
          - probabilities: float32 [batch, height, width, C], summing to 1 over C.
        """
        pixels = tf.reduce_prod(tf.shape(images, tf.int64)[1:3])
        tf.debugging.Assert(
            pixels <= self._max_pixels,
            [f"images: more than the {self._max_pixels} pixels an image may have here"],
        )
        return {"probabilities": self._probabilities_of_images(images)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluation(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compares predictions with the truth, at the mask's own size.

        One image at a time goes through the network: an evaluator may send hundreds in a batch.

        Args:
          examples: string [batch], serialized tf.Examples as the ingestion writes them.

        Returns:
          Of each image, over its labelled pixels; see `serving.model.pixel_counts`:
          - confusion_matrix: int64 [batch, C, C].
          - boundary: int64 [batch, C, 2].
          - calibration: float64 [batch, CALIBRATION_BINS, 3].
        """

        def count(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            image, truth = parse_pair(serialized)
            probabilities = self._probabilities_of_images(image[tf.newaxis])[0]
            predicted = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
            return {
                CONFUSION: confusion_counts(truth, predicted, self._num_classes),
                BOUNDARY: boundary_counts(truth, predicted, self._num_classes),
                CALIBRATION: calibration_counts(truth, probabilities),
            }

        return tf.map_fn(
            count,
            examples,
            parallel_iterations=1,
            fn_output_signature={
                CONFUSION: tf.TensorSpec([self._num_classes, self._num_classes], tf.int64),
                BOUNDARY: tf.TensorSpec([self._num_classes, 2], tf.int64),
                CALIBRATION: tf.TensorSpec([CALIBRATION_BINS, 3], tf.float64),
            },
        )

    def _refuse_bad_images(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """Returns the images, string [batch], if all can be decoded.

        An operation that fails cannot be caught in a graph, and says nothing of a position: in a
        data set, it can be passed by.
        """

        def count(position: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.reduce_prod(encoded_size(encoded))
            fits = tf.cond(
                pixels <= self._max_pixels, lambda: tf.size(self._decode(encoded)) > 0, lambda: True
            )
            return position, tf.where(fits, pixels, tf.constant(_DAMAGED, tf.int64))

        numbered = tf.data.Dataset.from_tensor_slices(image_bytes).enumerate().map(count)
        pixels = numbered.ignore_errors().reduce(
            tf.fill(tf.shape(image_bytes), tf.constant(_DAMAGED, tf.int64)),
            lambda all_pixels, one: tf.tensor_scatter_nd_update(
                all_pixels, one[0][tf.newaxis, tf.newaxis], one[1][tf.newaxis]
            ),
        )
        checks = [
            (pixels == _DAMAGED, "is no PNG, JPEG, BMP or GIF image, or damaged"),
            (
                pixels > self._max_pixels,
                f"has more than the {self._max_pixels} pixels an image may have here",
            ),
        ]
        refused = [
            tf.debugging.Assert(~tf.reduce_any(bad), [_positions(bad), what])
            for bad, what in checks
        ]
        with tf.control_dependencies(refused):
            return tf.identity(image_bytes)

    def _probabilities_of_images(self, images: tf.Tensor) -> tf.Tensor:
        """Looks at images of one size, and answers at that size."""
        view = self._view
        if isinstance(view, CropView):
            return tf.map_fn(
                lambda image: self._slide(image, view),
                images,
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec([None, None, self._num_classes], tf.float32),
            )
        probabilities = self._probabilities_of_views(view_image(images, view))
        return _resize(probabilities, tf.shape(images)[1:3])

    def _slide(self, image: tf.Tensor, view: CropView) -> tf.Tensor:
        return sliding_window(self._probabilities_of_views, image, view, self._num_classes)

    def _probabilities_of_views(self, views: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(self._network(views))


def _positions(bad: tf.Tensor) -> tf.Tensor:
    numbers = tf.strings.as_string(tf.where(bad)[:, 0])
    return tf.strings.reduce_join(tf.strings.join(["image_bytes[", numbers, "]"]), separator=", ")


def _resize(probabilities: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resizes probabilities, not class ids: bilinearly, so that they still sum to 1."""
    return tf.image.resize(probabilities, size)
