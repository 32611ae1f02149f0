"""The tf.Example of one pair: its features' names, how it is written, how it is read."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from data.config import IGNORE
from data.images import LoadedImage, encode_png
from data.pairs import Pair

IMAGE = "image/encoded"
KEY = "image/key"
SOURCE = "image/source"
GROUP = "image/group"
SHA256 = "image/sha256"
HEIGHT = "image/height"
WIDTH = "image/width"
MEANS = ("image/mean_red", "image/mean_green", "image/mean_blue")
STD = "image/std"
MASK = "mask/encoded"


def fraction(class_name: str) -> str:
    """Name of the feature that holds the share of labelled pixels that belong to a class."""
    return f"mask/fraction/{class_name}"


def make_example(
    pair: Pair,
    image: LoadedImage,
    class_ids: npt.NDArray[np.uint8],
    *,
    source: str,
    classes: Sequence[str],
) -> tf.train.Example:
    """Builds the tf.Example of a pair.

    Args:
      pair: Names the example.
      image: The image.
      class_ids: uint8 [height, width] of the image's own size: class ids, or 255 for pixels to
        ignore.
      source: Name of the data set.
      classes: Class names, by class id.

    Returns:
      An example with the features named in this module. The class fractions of a mask without a
      labelled pixel are 0.
    """
    height, width = class_ids.shape
    counts = np.bincount(class_ids[class_ids != IGNORE], minlength=len(classes))
    fractions = counts / max(counts.sum(), 1)
    features = {
        IMAGE: _bytes(image.encoded),
        KEY: _bytes(pair.key.encode()),
        SOURCE: _bytes(source.encode()),
        GROUP: _bytes(pair.group.encode()),
        SHA256: _bytes(hashlib.sha256(image.encoded).hexdigest().encode()),
        HEIGHT: _int64(height),
        WIDTH: _int64(width),
        STD: _float(float(image.pixels.std())),
        MASK: _bytes(encode_png(Image.fromarray(class_ids))),
    }
    features |= {name: _float(float(image.pixels[..., i].mean())) for i, name in enumerate(MEANS)}
    features |= {fraction(name): _float(float(fractions[i])) for i, name in enumerate(classes)}
    return tf.train.Example(features=tf.train.Features(feature=features))


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes image bytes in a graph.

    Args:
      encoded: string scalar: PNG, JPEG, BMP or GIF (of which the first frame counts).

    Returns:
      uint8 [height, width, 3], RGB.
    """
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def decode_mask(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes the stored mask.

    Args:
      encoded: string scalar, one-channel 8-bit PNG.

    Returns:
      uint8 [height, width], class ids, or 255 for pixels to ignore.
    """
    return tf.io.decode_png(encoded, channels=1)[..., 0]


def parse_pair(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the image and the mask out of a serialized example.

    Args:
      serialized: string scalar.

    Returns:
      uint8 [height, width, 3] image and uint8 [height, width] class ids.
    """
    encoded = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_single_example(serialized, {IMAGE: encoded, MASK: encoded})
    return decode_image(parsed[IMAGE]), decode_mask(parsed[MASK])


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
