"""Loads a SavedModel and uses only its signatures to segment images, as a client does."""

from collections.abc import Sequence

import tensorflow as tf

from data.errors import InputError
from serving.model.description import model_classes
from serving.model.tf_errors import tf_error_text
from serving.prediction import Prediction, predictions_of
from serving.signature import CLASS_FRACTION, CONFIDENCE, IMAGES, MASKS, SIGNATURE


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
        try:
            outputs = self._model.signatures[SIGNATURE](
                **{IMAGES: tf.constant(list(images), tf.string)}
            )
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
            raise InputError(
                f"cannot be segmented ({tf_error_text(error).rstrip('.')})."
            ) from error
        return predictions_of(
            outputs[MASKS].numpy(),
            outputs[CLASS_FRACTION].numpy(),
            outputs[CONFIDENCE].numpy(),
        )
