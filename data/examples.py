"""The tf.Example of one pair: its features' names, how it is written, how it is read."""

from collections.abc import Sequence

import tensorflow as tf

from data.images import intensity_levels
from data.reading import ReadPair

IMAGE = "image/encoded"
KEY = "image/key"
SOURCE = "image/source"
GROUP = "image/group"
SPAN = "image/span"
SHA256 = "image/sha256"
HEIGHT = "image/height"
WIDTH = "image/width"
MEANS = ("image/mean_red", "image/mean_green", "image/mean_blue")
STD = "image/std"
MASK = "mask/encoded"


def fraction(class_name: str) -> str:
    """Name of the feature that holds the share of labelled pixels that belong to a class."""
    return f"mask/fraction/{class_name}"


def make_example(read: ReadPair, classes: Sequence[str]) -> tf.train.Example:
    """Builds the tf.Example of a pair.

    Args:
      read: A pair that can be used.
      classes: Class names, by class id.

    Returns:
      An example with the features named in this module.
    """
    pair, facts = read.record.pair, read.record.facts
    if facts is None:
        raise ValueError(f"{pair.key} cannot be used")
    features = {
        IMAGE: _bytes(read.image),
        KEY: _bytes(pair.key.encode()),
        SOURCE: _bytes(pair.source.encode()),
        GROUP: _bytes(pair.group.encode()),
        SPAN: _int64(pair.span),
        SHA256: _bytes(facts.sha256.encode()),
        HEIGHT: _int64(facts.height),
        WIDTH: _int64(facts.width),
        STD: _float(facts.std),
        MASK: _bytes(read.mask),
    }
    features |= {name: _float(mean) for name, mean in zip(MEANS, facts.means, strict=True)}
    features |= {
        fraction(name): _float(share) for name, share in zip(classes, facts.fractions, strict=True)
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def decode_image(encoded: tf.Tensor, intensity_range: tuple[int, int] | None = None) -> tf.Tensor:
    """Decodes image bytes in a graph.

    Args:
      encoded: string scalar: PNG, JPEG, BMP or GIF (of which the first frame counts).
      intensity_range: The samples of a 16-bit PNG that become 0 and 255, as in `load_image`; None
        for the upper 8 of the 16 bits.

    Returns:
      uint8 [height, width, 3], RGB.
    """

    def decode() -> tf.Tensor:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    def decode_16_bits() -> tf.Tensor:
        samples = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16)
        return tf.gather(intensity_levels(intensity_range), tf.cast(samples, tf.int32))

    if intensity_range is None:
        image = decode()
    else:
        image = tf.cond(_is_png_of_16_bits(encoded), decode_16_bits, decode)
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


def _is_png_of_16_bits(encoded: tf.Tensor) -> tf.Tensor:
    """The depth is the 25th byte of every PNG; a shorter string is padded, so as to have one."""
    header = tf.strings.substr(encoded, 0, 25) + tf.constant(bytes(25))
    is_png = tf.strings.substr(header, 0, 8) == b"\x89PNG\r\n\x1a\n"
    return is_png & (tf.strings.substr(header, 24, 1) == b"\x10")


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
