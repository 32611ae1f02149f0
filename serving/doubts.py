"""Where a model is sure of another class than the mask of an image."""

from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt


class Doubts(NamedTuple):
    """What a model says about the mask of an image.

    Attributes:
      quality: Soft minimum of the probabilities of the classes in the mask, 0..1 (see
        `serving.model.label_doubts`).
      classes: The probable class at each pixel where the model is sure of another class than the
        one in the mask, uint8 [height, width]; 255 at all others.
      confidence: Probability of the probable class at these pixels, float32 [height, width], 0..1;
        0 at all others.
    """

    quality: float
    classes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]


def doubts_of(quality: float, png: bytes) -> Doubts:
    """Decodes the outputs of the `evaluation` signature for one image.

    Args:
      quality: The label quality.
      png: The doubtful pixels, a PNG with two channels of 8 bits: class and confidence.
    """
    pixels = imagecodecs.png_decode(png)
    confidence: npt.NDArray[np.float32] = np.divide(pixels[..., 1], 255, dtype=np.float32)
    return Doubts(float(quality), np.ascontiguousarray(pixels[..., 0]), confidence)
