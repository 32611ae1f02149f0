"""Limits of the server on requests: body size, number of requests, time, batch size, pixels."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from data.examples.features import IMAGE, MASK
from serving.server.errors import Code, RequestError
from serving.signature import EVALUATION, IMAGES, SIGNATURE

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
"""Image formats that the model can decode."""
# Maximum number of pixels of a request, as a multiple of the model's limit for an image.
_FULL_IMAGES = 4

# This module checks the model's limit; Pillow's own limit may be lower, and is switched off.
Image.MAX_IMAGE_PIXELS = None


class Limits(NamedTuple):
    """Limits of the server. The model itself sets the maximum number of pixels in an image.

    Attributes:
      body: Maximum size of a request body or gRPC message, in bytes.
      requests: Maximum number of prediction requests at the same time; further requests are
        rejected.
      seconds: Maximum time from the first byte of a request to its response, in seconds.
      batch: Maximum number of images in a batch.
    """

    body: int = 64 * 2**20
    requests: int = 64
    seconds: float = 60.0
    batch: int = 8


def check_pixels(signature: str, inputs: Mapping[str, npt.NDArray[Any]], max_pixels: int) -> int:
    """Checks the sizes of the images in a request by the file headers, without decoding.

    Args:
      signature: Name of the signature.
      inputs: Input arrays by name.
      max_pixels: Maximum number of pixels in one image.

    Returns:
      Number of pixels of all images together.

    Raises:
      RequestError: An input is not an image, or an image or all images together have too many
        pixels.
    """
    total = 0
    for position, encoded in _images(signature, inputs):
        total += _pixels(encoded, position, max_pixels)
    if total > _FULL_IMAGES * max_pixels:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"{total} pixels in one request, more than the {_FULL_IMAGES * max_pixels} that this "
            "server accepts. Send fewer images at once.",
        )
    return total


def _images(signature: str, inputs: Mapping[str, npt.NDArray[Any]]) -> Iterator[tuple[int, bytes]]:
    if signature == SIGNATURE:
        yield from enumerate(inputs[IMAGES].ravel())
    elif signature == EVALUATION:
        for position, serialized in enumerate(inputs["examples"].ravel()):
            for encoded in _images_in_example(serialized, position):
                yield position, encoded


def _images_in_example(serialized: bytes, position: int) -> Sequence[bytes]:
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # a DecodeError, whose class depends on the protobuf package
        raise RequestError(
            Code.INVALID_ARGUMENT, f"example {position}: not a tf.Example"
        ) from error
    return [value for key in (IMAGE, MASK) for value in features[key].bytes_list.value]


def _pixels(encoded: bytes, position: int, max_pixels: int) -> int:
    if not encoded:
        raise RequestError(Code.INVALID_ARGUMENT, f"image {position}: empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
    except Exception as error:  # for a damaged file, a decoder may raise any exception
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: cannot be read as an image; send {', '.join(FORMATS[:-1])} or "
            f"{FORMATS[-1]}",
        ) from error
    if width * height > max_pixels:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: {width}×{height} pixels, more than the {max_pixels} that this "
            "model accepts. Scale it down.",
        )
    return width * height
