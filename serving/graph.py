"""The SavedModel: the whole inference path, from an image's bytes to its mask."""

import json
import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from data.config import CropView, View
from data.parsing import decode_image, parse_pair
from data.views import view_image
from serving.counts import (
    BOUNDARY,
    CALIBRATION,
    CALIBRATION_BINS,
    CONFUSION,
    boundary_counts,
    calibration_counts,
    confusion_counts,
)
from serving.sliding_window import sliding_window

DESCRIPTION = "assets.extra/unetfx.json"
"""File in the SavedModel with `export_saved_model`'s arguments. TF Serving passes it by."""
WEIGHT = "_weights/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Name of a weight in the SavedModel's checkpoint, by its number: where `ServingGraph` has it."""


def export_saved_model(
    network: keras.Model,
    path: str,
    *,
    classes: Sequence[str],
    view: View,
    intensity_range: tuple[int, int] | None = None,
) -> None:
    """Writes a SavedModel that plain TensorFlow loads, without Keras and without this project.

    Args:
      network: From float32 images [batch, height, width, 3] in 0..255 to float32 logits [batch,
        height, width, C].
      path: The SavedModel's folder.
      classes: Names of the C classes.
      view: What the network sees of an image. A crop slides over images of any size, at their own
        resolution.
      intensity_range: The samples of 16-bit images that become 0 and 255; None for the upper 8 of
        the 16 bits.
    """
    graph = ServingGraph(network, len(classes), view, intensity_range)
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
            # The checkpoint knows the weights by number alone.
            "weights": [weight.path for weight in network.weights],
        }
        file.write(json.dumps(description, indent=2))


class ServingGraph(tf.Module):
    """The three signatures."""

    def __init__(
        self,
        network: keras.Model,
        num_classes: int,
        view: View,
        intensity_range: tuple[int, int] | None = None,
    ) -> None:
        """Wraps a network.

        Args:
          network: As for `export_saved_model`.
          num_classes: C.
          view: What the network sees of an image.
          intensity_range: As for `export_saved_model`.
        """
        super().__init__()
        # Its weights alone are tracked: the network itself would bring Keras' own functions, and
        # the optimizer's state, into the SavedModel.
        self._network = lambda views: network(views, training=False)
        self._weights = [weight.value for weight in network.weights]
        self._decode = lambda encoded: decode_image(encoded, intensity_range)
        self._num_classes = num_classes
        self._view = view

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Segments images.

        Args:
          image_bytes: string [batch], each the bytes of a PNG, JPEG, BMP or GIF file, of any sizes.

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
        return {"probabilities": self._probabilities_of_images(images)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluation(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compares predictions with the truth, at the mask's own size.

        One image at a time goes through the network: an evaluator may send hundreds in a batch.

        Args:
          examples: string [batch], serialized tf.Examples as the ingestion writes them.

        Returns:
          Of each image, over its labelled pixels; see `serving.counts`:
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


def _resize(probabilities: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resizes probabilities, not class ids: bilinearly, so that they still sum to 1."""
    return tf.image.resize(probabilities, size)
