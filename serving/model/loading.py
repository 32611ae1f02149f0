"""Loads a SavedModel and uses only its signatures to segment images, as a client does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data.errors import InputError
from data.examples.parsing import decode_image
from serving.model.description import model_classes, model_intensity_range
from serving.model.tf_errors import tf_error_text
from serving.prediction import Prediction, predictions_of
from serving.signature import (
    CLASS_FRACTION,
    CONFIDENCE,
    IMAGES,
    MASKS,
    PROBABILITIES,
    SIGNATURE,
)


class ServedModel:
    """A SavedModel that is loaded in this process and segments images.

    Attributes:
      classes: Class names, indexed by class id.
    """

    def __init__(self, path: str) -> None:
        """Loads a SavedModel.

        Args:
          path: Folder of a SavedModel exported by this project.
        """
        self._model = tf.saved_model.load(path)
        self.classes = model_classes(path)
        self._intensity_range = model_intensity_range(path)

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Segments images with the loaded model.

        Args:
          images: Contents of PNG or JPEG files. The images may differ in size.

        Returns:
          One `Prediction` for each image, in the same order.

        Raises:
          InputError: TensorFlow cannot decode an image, an image has too many pixels, or TensorFlow
            runs out of memory.
        """
        with _input_errors():
            outputs = self._model.signatures[SIGNATURE](
                **{IMAGES: tf.constant(list(images), tf.string)}
            )
        return predictions_of(
            outputs[MASKS].numpy(),
            outputs[CLASS_FRACTION].numpy(),
            outputs[CONFIDENCE].numpy(),
        )

    def probabilities(self, image: bytes) -> npt.NDArray[np.float32]:
        """Computes the probability of each class at each pixel of one image.

        Args:
          image: Contents of a PNG or JPEG file.

        Returns:
          float32 [height, width, C], summing to 1 over the classes.

        Raises:
          InputError: TensorFlow cannot decode the image, the image has too many pixels, or
            TensorFlow runs out of memory.
        """
        with _input_errors():
            pixels = decode_image(tf.constant(image), self._intensity_range)
            outputs = self._model.signatures[PROBABILITIES](images=pixels[tf.newaxis])
        probabilities: npt.NDArray[np.float32] = outputs[PROBABILITIES][0].numpy()
        return probabilities


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
        raise InputError(f"cannot be segmented ({tf_error_text(error).rstrip('.')}).") from error
