"""The server's limits on body size, number of requests, request time, batch size and pixels."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from data.examples.features import IMAGE, MASK
from data.rasters.pillow import MAX_SCANS, count_scans
from serving.server.errors import Code, RequestError
from serving.server.wire_format import EXAMPLE, check_fields
from serving.signature import EVALUATION, IMAGES, SIGNATURE

FORMATS = ("PNG", "JPEG")
"""Image formats that the model can decode."""
MAX_IMAGES = 1024
"""Maximum number of images in a request, because checking an image takes up to a millisecond."""
# Maximum number of pixels in a request, as a multiple of the model's limit for one image.
_FULL_IMAGES = 4

# Pillow's own limit may be lower than the model's, so it is disabled; this module checks the
# model's limit instead.
Image.MAX_IMAGE_PIXELS = None


class Limits(NamedTuple):
    """Limits set by the server. The model sets the maximum number of pixels in an image.

    Attributes:
      body: Maximum size of a request body or gRPC message, in bytes.
      requests: Maximum number of concurrent prediction requests; further requests are rejected.
      seconds: Maximum time to handle a request, in seconds, including the time to receive the body
        of a REST request.
      connections: Maximum number of connections for each interface. It is lower if the process may
        not open enough files.
      batch: Maximum number of images in a batch. A request with more images forms a batch of its
        own.
    """

    body: int = 64 * 2**20
    requests: int = 64
    seconds: float = 60.0
    connections: int = 4096
    batch: int = 8


def check_pixels(signature: str, inputs: Mapping[str, npt.NDArray[Any]], max_pixels: int) -> int:
    """Checks the sizes of the images in a request, reading only the file headers.

    Args:
      signature: Name of the signature.
      inputs: Input arrays, keyed by name.
      max_pixels: Maximum number of pixels in one image.

    Returns:
      Total number of pixels in all encoded images and masks; 0 for the signature `probabilities`,
      whose input is already decoded.

    Raises:
      RequestError: An input is not a valid image, one image has too many pixels, all images
        together have too many pixels, or there are more than `MAX_IMAGES` images.
    """
    total = 0
    for count, (position, encoded) in enumerate(_images(signature, inputs), 1):
        if count > MAX_IMAGES:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"more than {MAX_IMAGES} images in one request"
            )
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
        examples = inputs["examples"].ravel()
        check_fields(examples, EXAMPLE)
        for position, serialized in enumerate(examples):
            for encoded in _images_in_example(serialized, position):
                yield position, encoded


def _images_in_example(serialized: bytes, position: int) -> Sequence[bytes]:
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # a DecodeError, whose class depends on the protobuf implementation
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
    except Exception as error:  # a decoder may raise any exception for a damaged file
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: cannot be read as an image; send {' or '.join(FORMATS)}",
        ) from error
    if count_scans(encoded) > MAX_SCANS:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: a JPEG of more than {MAX_SCANS} scans. Save it again.",
        )
    if width * height > max_pixels:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: {width}×{height} pixels, more than the {max_pixels} that this "
            "model accepts. Scale it down.",
        )
    return width * height
