"""Predictions of a model in this process or on a server."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import imagecodecs
import numpy as np
import numpy.typing as npt


class Prediction(NamedTuple):
    """The predicted mask of one image, with class shares and confidence.

    Attributes:
      mask_png: The mask as the bytes of a one-channel PNG of class ids, of the same size as the
        image.
      class_ids: The mask as an array, uint8 [height, width].
      class_fraction: float32 [C], share of each class among the mask's pixels.
      confidence: Mean over the pixels of the greatest class probability, 1/C..1.
    """

    mask_png: bytes
    class_ids: npt.NDArray[np.uint8]
    class_fraction: npt.NDArray[np.float32]
    confidence: float


class Predictor(Protocol):
    """A model that segments images, in this process or on a server."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, by class id."""

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Predicts the mask of each image.

        Args:
          images: The contents of PNG, JPEG, BMP or GIF files, of any size. The EXIF orientation is
            ignored.

        Returns:
          A Prediction for each image, in the order of the images.

        Raises:
          UnetfxError: An image cannot be segmented.
        """


def predictions_of(
    masks: Iterable[bytes], class_fractions: npt.ArrayLike, confidences: npt.ArrayLike
) -> list[Prediction]:
    """Splits the outputs of the signature `serving_default` into one prediction for each image.

    Args:
      masks: The bytes of a PNG of class ids for each image.
      class_fractions: Share of each class among the pixels of each image, [batch, C].
      confidences: Confidence for each image, [batch].

    Returns:
      A Prediction for each image, in the order of `masks`.

    Raises:
      ValueError: A mask is not an 8-bit one-channel PNG, or the outputs differ in length.
    """
    outputs = zip(
        masks,
        np.asarray(class_fractions, np.float32),
        np.asarray(confidences, np.float32),
        strict=True,
    )
    return [
        Prediction(mask, _class_ids(mask), fractions, float(confidence))
        for mask, fractions, confidence in outputs
    ]


def _class_ids(mask_png: bytes) -> npt.NDArray[np.uint8]:
    try:
        class_ids: npt.NDArray[np.uint8] = imagecodecs.png_decode(mask_png)
    except (imagecodecs.PngError, ValueError) as error:
        raise ValueError("a mask is not a PNG") from error
    if class_ids.ndim != 2 or class_ids.dtype != np.uint8:
        raise ValueError("a mask is not an 8-bit one-channel PNG")
    return class_ids
