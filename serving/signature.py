"""Names of the SavedModel's signatures, and of the inputs and outputs that clients use."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

SIGNATURE = "serving_default"
"""Name of the signature that segments images."""
PROBABILITIES, EVALUATION = "probabilities", "evaluation"
"""Names of the signatures that return class probabilities and pixel counts for evaluation."""
IMAGES = "image_bytes"
"""Name of the only input of `serving_default`."""
MASKS, CLASS_FRACTION, CONFIDENCE = "mask_png_bytes", "class_fraction", "confidence"
CONFIDENCE_MAP = "confidence_png_bytes"
"""Names of the outputs of `serving_default`; the last one is optional."""

IMAGE_STATISTICS = "image_statistics"
"""Name of the output with the statistics of each input image. Models that older versions of unetfx
exported lack it. The description file names its columns under the same key."""

Arrays = Mapping[str, npt.NDArray[Any]]
"""Input or output arrays of a signature, keyed by name. Strings are in object arrays of bytes."""
