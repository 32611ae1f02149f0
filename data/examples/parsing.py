"""TensorFlow operations that parse the tf.Example of a pair."""

import tensorflow as tf

from data.examples.features import HEIGHT, IMAGE, KEY, MASK, WIDTH
from data.rasters.images import intensity_levels
from data.rasters.pillow import JPEG_START, START_OF_SCAN
from data.rasters.png import PNG_START

# A PNG file starts with its signature, then with the chunk IHDR, whose content has 13 bytes.
_PNG_IHDR = PNG_START + b"\0\0\0\x0dIHDR"


def decode_image(encoded: tf.Tensor, intensity_range: tuple[int, int] | None = None) -> tf.Tensor:
    """Decodes the bytes of an image file, as part of a TensorFlow graph.

    Args:
      encoded: Bytes of a PNG or JPEG file, as a string scalar.
      intensity_range: The two sample values of a 16-bit PNG that are mapped to 0 and 255; None to
        use the upper 8 of the 16 bits.

    Returns:
      The RGB image, uint8 [height, width, 3].
    """

    def decode() -> tf.Tensor:
        # This operation also decodes PNG files. By default, it would round the pixels of a JPEG
        # file in another way than Pillow, which differs by 255 in damaged files.
        return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")

    def decode_16_bits() -> tf.Tensor:
        samples = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16)
        return tf.gather(intensity_levels(intensity_range), tf.cast(samples, tf.int32))

    if intensity_range is None:
        image = decode()
    else:
        image = tf.cond(_is_png_of_16_bits(encoded), decode_16_bits, decode)
    return tf.ensure_shape(image, [None, None, 3])


def encoded_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads an image's height and width from the file header, without decoding the image.

    Args:
      encoded: Bytes of a PNG or JPEG file, as a string scalar.

    Returns:
      Height and width in pixels, int64 [2]; zeros for any other file format, and for a PNG file
      that does not start with the chunk IHDR. If the header of a JPEG file is damaged, the
      operation fails when the graph is run.
    """

    def png() -> tf.Tensor:
        # `substr` fails if the string is too short, so the string is padded.
        part = tf.strings.substr(encoded + tf.constant(bytes(24)), 16, 8)
        numbers = tf.io.decode_raw(part, tf.int32, little_endian=False)
        # PNG has no sizes of 2³¹ pixels and more, which would be negative here.
        return tf.cast(tf.maximum(tf.ensure_shape(numbers, [2]), 0), tf.int64)[::-1]

    def jpeg() -> tf.Tensor:
        return tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64)

    return tf.case(
        [(_starts_with(encoded, _PNG_IHDR), png), (_starts_with(encoded, JPEG_START), jpeg)],
        default=lambda: tf.zeros([2], tf.int64),
    )


def count_scans(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the number of scans in a JPEG file, int32; 0 for any other file format.

    Args:
      encoded: Bytes of a file, as a string scalar.
    """

    def scans() -> tf.Tensor:
        content = tf.io.decode_raw(encoded, tf.uint8)
        first, second = START_OF_SCAN
        return tf.math.count_nonzero(
            (content[:-1] == first) & (content[1:] == second), dtype=tf.int32
        )

    return tf.cond(_starts_with(encoded, JPEG_START), scans, lambda: 0)


def _starts_with(encoded: tf.Tensor, start: bytes) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(start)) == start


def decode_mask(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a mask that is stored in a tf.Example.

    Args:
      encoded: Bytes of a one-channel 8-bit PNG, as a string scalar.

    Returns:
      Class ids, uint8 [height, width], with 255 for ignored pixels.
    """
    return tf.io.decode_png(encoded, channels=1)[..., 0]


def parse_pair(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the image and the mask of a pair from its serialized tf.Example.

    Args:
      serialized: A serialized tf.Example, as a string scalar.

    Returns:
      The RGB image, uint8 [height, width, 3], and the mask of class ids, uint8 [height, width],
      with 255 for ignored pixels.
    """
    image, mask = parse_encoded(serialized)
    return decode_image(image), decode_mask(mask)


def parse_encoded(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the files of the image and the mask in a serialized tf.Example, as string scalars."""
    encoded = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_single_example(serialized, {IMAGE: encoded, MASK: encoded})
    return parsed[IMAGE], parsed[MASK]


def parse_key(serialized: tf.Tensor) -> tf.Tensor:
    """Returns the key of the pair in a serialized tf.Example, as a string scalar."""
    key = tf.io.FixedLenFeature([], tf.string)
    return tf.io.parse_single_example(serialized, {KEY: key})[KEY]


def parse_size(serialized: tf.Tensor) -> tf.Tensor:
    """Returns height and width of the image in a serialized tf.Example, int64 [2], in pixels."""
    number = tf.io.FixedLenFeature([], tf.int64)
    parsed = tf.io.parse_single_example(serialized, {HEIGHT: number, WIDTH: number})
    return tf.stack([parsed[HEIGHT], parsed[WIDTH]])


def parse_class_pixels(serialized: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Counts the pixels of each class in a serialized tf.Example, decoding only the mask.

    The counts cannot be computed from the class shares in the example, because the number of
    labelled pixels is not stored.

    Args:
      serialized: A serialized tf.Example, as a string scalar.
      num_classes: Number of classes, C.

    Returns:
      Number of pixels of each class, int64 [C]; ignored pixels are not counted.
    """
    encoded = tf.io.FixedLenFeature([], tf.string)
    mask = decode_mask(tf.io.parse_single_example(serialized, {MASK: encoded})[MASK])
    return tf.math.bincount(
        tf.cast(mask, tf.int32), minlength=num_classes, maxlength=num_classes, dtype=tf.int64
    )


def _is_png_of_16_bits(encoded: tf.Tensor) -> tf.Tensor:
    """Returns whether a file is a PNG with 16 bits per sample.

    The 25th byte of a PNG file is the bit depth. Files that are too short are padded with zeros.
    """
    header = tf.strings.substr(encoded, 0, 25) + tf.constant(bytes(25))
    is_png = tf.strings.substr(header, 0, 8) == b"\x89PNG\r\n\x1a\n"
    return is_png & (tf.strings.substr(header, 24, 1) == b"\x10")
