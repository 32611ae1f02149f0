"""Loads a SavedModel and uses only its signatures to segment images, as a client does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from data.errors import InputError
from serving.doubts import Doubts, doubts_of
from serving.model.description import model_classes
from serving.model.label_doubts import LABEL_DOUBTS, LABEL_QUALITY
from serving.model.tf_errors import tf_error_text
from serving.prediction import Prediction, predictions_of
from serving.signature import (
    CLASS_FRACTION,
    CONFIDENCE,
    EVALUATION,
    IMAGES,
    MASKS,
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

    @property
    def finds_doubts(self) -> bool:
        """Whether `doubts` can be called; False for models of older versions of unetfx."""
        return LABEL_DOUBTS in self._model.signatures[EVALUATION].structured_outputs

    def doubts(self, example: bytes) -> Doubts:
        """Finds where the model is sure of another class than the mask of an example.

        Args:
          example: Serialized tf.Example with the image and the mask.

        Raises:
          InputError: The image has too many pixels, or TensorFlow runs out of memory.
        """
        with _input_errors():
            outputs = self._model.signatures[EVALUATION](examples=tf.constant([example]))
        return doubts_of(outputs[LABEL_QUALITY][0].numpy(), outputs[LABEL_DOUBTS][0].numpy())


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
        raise InputError(f"cannot be segmented ({tf_error_text(error).rstrip('.')}).") from error
