"""Result type and interface for predictions by a model in this process or on a server."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import imagecodecs
import numpy as np
import numpy.typing as npt


class Prediction(NamedTuple):
    """The predicted mask of one image, with the class shares and a confidence score.

    Attributes:
      mask_png: The mask as the contents of a PNG file with one channel of class ids. The mask has
        the same height and width as the image.
      class_ids: The mask as an array of class ids, uint8 [height, width].
      class_fraction: Share of the mask's pixels in each of the C classes, float32 [C].
      confidence: Highest class probability at each pixel, averaged over all pixels, 1/C..1.
    """

    mask_png: bytes
    class_ids: npt.NDArray[np.uint8]
    class_fraction: npt.NDArray[np.float32]
    confidence: float


class Predictor(Protocol):
    """A model that segments images, in this process or on a server."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names, indexed by class id."""

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Predicts the mask of each image.

        Args:
          images: Contents of PNG or JPEG files, with images of any size. The EXIF
            orientation is ignored.

        Returns:
          One `Prediction` for each image, in the same order.

        Raises:
          UnetfxError: An image cannot be segmented.
        """


def predictions_of(
    masks: Iterable[bytes], class_fractions: npt.ArrayLike, confidences: npt.ArrayLike
) -> list[Prediction]:
    """Splits the batched outputs of the `serving_default` signature into one prediction per image.

    Args:
      masks: Contents of a PNG file of class ids for each image.
      class_fractions: Share of each image's pixels in each of the C classes, [batch, C].
      confidences: Confidence of each prediction (see `Prediction`), [batch].

    Returns:
      One `Prediction` for each image, in the order of `masks`.

    Raises:
      ValueError: A mask is not an 8-bit one-channel PNG, or the three arguments differ in length.
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
