"""The SavedModel's graph: the whole inference path, from an image's bytes to its mask."""

import keras
import tensorflow as tf

from data.config import View
from data.examples.parsing import (
    count_scans,
    decode_image,
    encoded_size,
    parse_encoded,
    parse_pair,
)
from data.rasters.pillow import MAX_SCANS
from serving.config import MAX_PIXELS, Flips
from serving.model.inference import make_inference
from serving.model.input_statistics import COUNT
from serving.model.label_doubts import LABEL_DOUBTS, LABEL_QUALITY, label_doubts, label_quality
from serving.model.pixel_counts import (
    BOUNDARY,
    CALIBRATION,
    CALIBRATION_BINS,
    CONFUSION,
    RAW_CALIBRATION,
    boundary_counts,
    calibration_counts,
    confusion_counts,
)
from serving.model.temperature import (
    fit_temperature,
    temper,
    tempered_confidence,
    tempered_confidences,
)
from serving.signature import CLASS_FRACTION, CONFIDENCE, CONFIDENCE_MAP, IMAGE_STATISTICS, MASKS

# Placeholders for the pixel count of an image that is refused. They are not tensors, because
# creating a tensor here would initialise TensorFlow at import.
_DAMAGED, _TOO_MANY_SCANS = -1, -2
# Axes of [batch, height, width, channels] that are reversed in each additional pass of the network
_FLIPPED_AXES: dict[Flips, list[list[int]]] = {
    "none": [],
    "horizontal": [[2]],
    "both": [[2], [1], [1, 2]],
}


class ServingGraph(tf.Module):
    """TensorFlow module with the three signatures of the SavedModel."""

    def __init__(
        self,
        network: keras.Model,
        num_classes: int,
        view: View,
        intensity_range: tuple[int, int] | None = None,
        max_pixels: int = MAX_PIXELS,
        flips: Flips = "none",
        confidence_map: bool = False,
    ) -> None:
        """Adds image decoding, resizing or cropping, and mask encoding to a network.

        Args:
          network: Network that maps float32 images [batch, height, width, 3] in 0..255 to float32
            logits [batch, height, width, C].
          num_classes: Number of classes, C.
          view: Form in which the network receives an image: resized, or as crops.
          intensity_range: The two 16-bit sample values that are mapped to 0 and 255; None to use
            only the upper 8 bits of each sample.
          max_pixels: Maximum number of pixels in an image; larger images are rejected before they
            are decoded.
          flips: Flips over which the probabilities are averaged.
          confidence_map: Whether `serving_default` also returns the confidence of each pixel.
        """
        super().__init__()
        # The network itself is not an attribute, because the SavedModel would then also contain
        # Keras' own functions and the optimizer's state.
        self._weights = [weight.value for weight in network.weights]

        view_batch = tf.TensorSpec([None, view.height, view.width, 3])

        # One concrete function for all signatures and for the temperature, so that the network is
        # traced and stored only once: TensorFlow traces other functions again when it saves them.
        class_probabilities = tf.function(
            lambda views: tf.nn.softmax(network(views, training=False)),
            [view_batch],
            autograph=False,
        ).get_concrete_function()

        def mean_probabilities(views: tf.Tensor) -> tf.Tensor:
            views = tf.ensure_shape(views, view_batch.shape)
            total = class_probabilities(views)
            for axes in _FLIPPED_AXES[flips]:
                # One after the other, so that only one pass of the network needs memory.
                with tf.control_dependencies([total]):
                    flipped = class_probabilities(tf.reverse(views, axes))
                total += tf.reverse(flipped, axes)
            return total / (1 + len(_FLIPPED_AXES[flips]))

        self._inference = make_inference(mean_probabilities, view, num_classes)
        self._decode = lambda encoded: decode_image(encoded, intensity_range)
        self._num_classes = num_classes
        self._max_pixels = max_pixels
        self._confidence_map = confidence_map
        self._temperature = tf.Variable(1.0, trainable=False)

    def fit_temperature(self, examples: tf.data.Dataset) -> float:
        """Fits the temperature, which all signatures then use.

        Args:
          examples: Serialized tf.Examples with images and masks.

        Returns:
          The temperature; see `serving.model.temperature`.
        """
        temperature = fit_temperature(self._inference.probabilities, examples)
        self._temperature.assign(temperature)
        return temperature

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")], autograph=False)
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the mask of each image.

        Args:
          image_bytes: string [batch], the contents of PNG or JPEG files. The images may differ in
            size. For a damaged file, any other format, or an image with too many pixels or scans,
            the call fails with an error that gives the position in the batch.

        Returns:
          - mask_png_bytes: string [batch], one-channel PNGs of class ids. Each mask has the same
            height and width as its image.
          - class_fraction: float32 [batch, C], share of each mask's pixels in each class.
          - confidence: float32 [batch], highest class probability at each pixel, averaged over the
            image, 1/C..1.
          - image_statistics: float32 [batch, COUNT], statistics of each image (see
            `serving.model.input_statistics`).
          - confidence_png_bytes: string [batch], only with `confidence_map`: one-channel PNGs of
            the highest class probability at each pixel, 0 to 255 for 0 to 1.
        """

        def outputs(probabilities: tf.Tensor, statistics: tf.Tensor) -> dict[str, tf.Tensor]:
            confidence = tempered_confidence(probabilities, self._temperature)
            class_ids = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
            counts = tf.math.bincount(
                class_ids, minlength=self._num_classes, maxlength=self._num_classes
            )
            found = {
                MASKS: tf.io.encode_png(tf.cast(class_ids, tf.uint8)[..., tf.newaxis]),
                CLASS_FRACTION: tf.cast(counts, tf.float32)
                / tf.cast(tf.size(class_ids), tf.float32),
                CONFIDENCE: tf.reduce_mean(confidence),
                IMAGE_STATISTICS: statistics,
            }
            if self._confidence_map:
                levels = tf.saturate_cast(tf.round(255 * confidence), tf.uint8)
                found[CONFIDENCE_MAP] = tf.io.encode_png(levels[..., tf.newaxis])
            return found

        specs = {
            MASKS: tf.TensorSpec([], tf.string),
            CLASS_FRACTION: tf.TensorSpec([self._num_classes], tf.float32),
            CONFIDENCE: tf.TensorSpec([], tf.float32),
            IMAGE_STATISTICS: tf.TensorSpec([COUNT], tf.float32),
        }
        if self._confidence_map:
            specs[CONFIDENCE_MAP] = tf.TensorSpec([], tf.string)

        return self._inference.map_images(
            self._refuse_bad_images(image_bytes),
            self._decode,
            outputs,
            specs,
        )

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")], autograph=False
    )
    def probabilities(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the probability of each class at each pixel.

        Args:
          images: RGB images, uint8 [batch, height, width, 3]. The call fails if each image has more
            than `max_pixels` pixels.

        Returns:
          - probabilities: float32 [batch, height, width, C], summing to 1 over the classes.
        """
        pixels = tf.reduce_prod(tf.shape(images, tf.int64)[1:3])
        accepted = tf.debugging.Assert(
            pixels <= self._max_pixels,
            [f"images: more than the {self._max_pixels} pixels that this model accepts"],
        )
        with tf.control_dependencies([accepted]):  # otherwise, the work begins before the check
            images = tf.identity(images)
        return {"probabilities": temper(self._inference.probabilities(images), self._temperature)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def evaluation(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compares predictions with ground-truth masks at the original size of each image.

        To save memory, the images pass through the network one at a time, because an evaluator may
        send hundreds of images in a batch.

        Args:
          examples: string [batch], serialized tf.Examples, each with an image and a mask. The call
            fails if a file is not a PNG or JPEG, or has too many pixels or scans.

        Returns:
          Counts of the labelled pixels in each image, computed by `serving.model.pixel_counts`,
          and where the mask may be wrong, computed by `serving.model.label_doubts`:
          - confusion_matrix: int64 [batch, C, C], with true classes in rows and predicted classes
            in columns.
          - boundary: int64 [batch, C, 2], numbers of pixels in the intersection and in the union of
            the true and the predicted boundary regions.
          - calibration: float64 [batch, CALIBRATION_BINS, 3], number of pixels, sum of confidences,
            and number of correct pixels in each confidence bin.
          - raw_calibration: float64 [batch, CALIBRATION_BINS, 3], the same without the temperature.
          - label_quality: float32 [batch], agreement of the mask with the probabilities, 0..1.
          - label_doubts_png_bytes: string [batch], two-channel PNGs of the pixels where the model
            is sure of another class than the mask: the class, 255 at all others; and its
            probability, 0 to 255 for 0 to 1.
        """

        def count(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            files = parse_encoded(serialized)
            pixels = tf.stack([self._pixels(encoded) for encoded in files])
            accepted = tf.debugging.Assert(
                tf.reduce_all((pixels > 0) & (pixels <= self._max_pixels)),
                [
                    "examples: a file is not a PNG or JPEG, or has more than the "
                    f"{self._max_pixels} pixels or {MAX_SCANS} scans that this model accepts"
                ],
            )
            with tf.control_dependencies([accepted]):
                image, truth = parse_pair(serialized)
            probabilities = self._inference.probabilities(image[tf.newaxis])[0]
            predicted = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
            confidence, given = tempered_confidences(probabilities, self._temperature, truth)
            raw_confidence = tf.reduce_max(probabilities, axis=-1)
            doubts = label_doubts(truth, predicted, confidence, given)
            return {
                CONFUSION: confusion_counts(truth, predicted, self._num_classes),
                BOUNDARY: boundary_counts(truth, predicted, self._num_classes),
                CALIBRATION: calibration_counts(truth, predicted, confidence),
                RAW_CALIBRATION: calibration_counts(truth, predicted, raw_confidence),
                LABEL_QUALITY: label_quality(truth, given),
                LABEL_DOUBTS: tf.io.encode_png(doubts, compression=1),
            }

        return tf.map_fn(
            count,
            examples,
            parallel_iterations=1,
            fn_output_signature={
                CONFUSION: tf.TensorSpec([self._num_classes, self._num_classes], tf.int64),
                BOUNDARY: tf.TensorSpec([self._num_classes, 2], tf.int64),
                CALIBRATION: tf.TensorSpec([CALIBRATION_BINS, 3], tf.float64),
                RAW_CALIBRATION: tf.TensorSpec([CALIBRATION_BINS, 3], tf.float64),
                LABEL_QUALITY: tf.TensorSpec([], tf.float32),
                LABEL_DOUBTS: tf.TensorSpec([], tf.string),
            },
        )

    def _refuse_bad_images(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """Returns the images unchanged, string [batch], or makes the graph fail if one is invalid.

        A graph cannot catch an operation's error, and the error does not give the position of the
        damaged image. A tf.data pipeline can skip elements that fail, so the images are decoded in
        such a pipeline; those that it skips are damaged.
        """

        def count(position: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = self._pixels(encoded)
            decodes = tf.cond(
                (pixels > 0) & (pixels <= self._max_pixels),
                lambda: tf.size(self._decode(encoded)) > 0,
                lambda: pixels != 0,
            )
            return position, tf.where(decodes, pixels, _DAMAGED)

        numbered = tf.data.Dataset.from_tensor_slices(image_bytes).enumerate().map(count)
        pixels = numbered.ignore_errors().reduce(
            tf.fill(tf.shape(image_bytes), tf.cast(_DAMAGED, tf.int64)),
            lambda all_pixels, one: tf.tensor_scatter_nd_update(
                all_pixels, one[0][tf.newaxis, tf.newaxis], one[1][tf.newaxis]
            ),
        )
        checks = [
            (pixels == _DAMAGED, "is not a PNG or JPEG image, or is damaged"),
            (pixels == _TOO_MANY_SCANS, f"is a JPEG image of more than {MAX_SCANS} scans"),
            (
                pixels > self._max_pixels,
                f"has more than the {self._max_pixels} pixels that this model accepts",
            ),
        ]
        refused = [
            tf.debugging.Assert(~tf.reduce_any(bad), [_positions(bad), problem])
            for bad, problem in checks
        ]
        with tf.control_dependencies(refused):
            return tf.identity(image_bytes)

    def _pixels(self, encoded: tf.Tensor) -> tf.Tensor:
        """Returns an image's number of pixels, int64; 0 or less if it must not be decoded.

        The number is 0 for other formats than PNG and JPEG.
        """
        return tf.cond(
            count_scans(encoded) > MAX_SCANS,
            lambda: tf.constant(_TOO_MANY_SCANS, tf.int64),
            lambda: tf.reduce_prod(encoded_size(encoded)),
        )


def _positions(bad: tf.Tensor) -> tf.Tensor:
    numbers = tf.strings.as_string(tf.where(bad)[:, 0])
    return tf.strings.reduce_join(tf.strings.join(["image_bytes[", numbers, "]"]), separator=", ")
