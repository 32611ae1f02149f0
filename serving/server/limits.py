"""How much a request may ask for."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from data.examples.features import IMAGE, MASK
from serving.server.errors import Code, RequestError
from serving.signature import IMAGES, SIGNATURE

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
"""What the model's graph decodes."""
_IMAGES_OF_FULL_SIZE = 4  # that the images of one request may have the pixels of

# The limit is the model's, and it is kept here; Pillow's own would only warn, or come first.
Image.MAX_IMAGE_PIXELS = None


class Limits(NamedTuple):
    """What the server takes. How many pixels an image may have is the model's to say.

    Attributes:
      body: Bytes of a request's body, or of a gRPC message.
      requests: Predictions asked for at the same time; more are turned away.
      seconds: From a request's first byte to its answer.
      batch: Images that go through the network together.
    """

    body: int = 64 * 2**20
    requests: int = 64
    seconds: float = 60.0
    batch: int = 8


def check_pixels(signature: str, inputs: Mapping[str, npt.NDArray[Any]], max_pixels: int) -> int:
    """Looks at the headers of the images of a request, before anything decodes them.

    Args:
      signature: Name of the signature.
      inputs: By name.
      max_pixels: That one image may have.

    Returns:
      The pixels of all images together.

    Raises:
      RequestError: One is no image, or has too many pixels; or all have too many together.
    """
    total = 0
    for position, encoded in _images(signature, inputs):
        total += _pixels(encoded, position, max_pixels)
    if total > _IMAGES_OF_FULL_SIZE * max_pixels:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"{total} pixels in one request, more than {_IMAGES_OF_FULL_SIZE * max_pixels}. Send "
            "fewer images at once.",
        )
    return total


def _images(signature: str, inputs: Mapping[str, npt.NDArray[Any]]) -> Iterator[tuple[int, bytes]]:
    if signature == SIGNATURE:
        yield from enumerate(inputs[IMAGES].ravel())
    elif signature == "evaluation":
        for position, serialized in enumerate(inputs["examples"].ravel()):
            for encoded in _images_in_example(serialized, position):
                yield position, encoded


def _images_in_example(serialized: bytes, position: int) -> Sequence[bytes]:
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's own error, which it keeps in different places
        raise RequestError(
            Code.INVALID_ARGUMENT, f"example {position}: not a tf.Example"
        ) from error
    return [value for key in (IMAGE, MASK) for value in features[key].bytes_list.value]


def _pixels(encoded: bytes, position: int, max_pixels: int) -> int:
    if not encoded:
        raise RequestError(Code.INVALID_ARGUMENT, f"image {position}: empty, it has no bytes")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: cannot be read as an image; send {', '.join(FORMATS[:-1])} or "
            f"{FORMATS[-1]}",
        ) from error
    if width * height > max_pixels:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"image {position}: {width}×{height} pixels, more than the {max_pixels} that this "
            "model takes. Scale it down.",
        )
    return width * height


def check_tensors(inputs: Mapping[str, npt.NDArray[Any]], signature: Any, name: str) -> None:
    """Compares inputs with what a signature takes.

    Args:
      inputs: By name.
      signature: The SignatureDef.
      name: Its name, for messages.

    Raises:
      RequestError: One is missing or unknown, or has another type or shape.
    """
    if set(inputs) != set(signature.inputs):
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"inputs of signature {name} should be {', '.join(sorted(signature.inputs))}; found "
            f"{', '.join(sorted(inputs)) or 'none'}",
        )
    for key, info in signature.inputs.items():
        shape, dtype = tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype)
        found = inputs[key]
        expected = np.dtype(object) if dtype == tf.string else np.dtype(dtype.as_numpy_dtype)
        if found.dtype != expected or not shape.is_compatible_with(found.shape):
            found_type = "string" if found.dtype == object else found.dtype
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"input {key} of signature {name} should be {dtype.name} {shape}, with None for "
                f"any size; found {found_type} {tf.TensorShape(found.shape)}",
            )
