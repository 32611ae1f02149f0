"""What costs much more than it weighs is refused; a JPEG without all its scans is not kept."""

import io
import re

import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.errors import PairError
from data.examples.parsing import decode_image
from data.rasters.pillow import read_bmp, read_jpeg
from data.rasters.raster import RasterFile

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)


def encoded(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def read(reader, content):
    return reader(RasterFile(content, "x", "image", 10**6))


def test_a_jpeg_of_too_many_scans_is_refused():
    content = encoded(PIXELS, "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    more = 100 - content.count(b"\xff\xda")
    read(read_jpeg, content[:-2] + more * scan + content[-2:])
    with pytest.raises(PairError, match=r"^x: a JPEG file of more than 100 scans"):
        read(read_jpeg, content[:-2] + (more + 1) * scan + content[-2:])


@pytest.mark.parametrize("compression", [1, 2], ids=["RLE8", "RLE4"])
def test_a_run_length_bmp_is_refused(compression):
    content = bytearray(encoded(PIXELS[..., 0], "BMP"))
    content[30] = compression
    with pytest.raises(PairError, match=r"^x: a BMP file with run-length compression"):
        read(read_bmp, bytes(content))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_tensorflow_does_not_read_a_progressive_jpeg_without_all_its_scans(mode):
    content = encoded(np.asarray(Image.fromarray(PIXELS).convert(mode)), "JPEG", progressive=True)
    assert read(read_jpeg, content).tensorflow_reads
    scans = [scan.start() for scan in re.finditer(rb"\xff\xda", content)]
    for scan in scans[1:]:  # TensorFlow smooths the pixels in another way than Pillow
        assert not read(read_jpeg, content[:scan] + b"\xff\xd9").tensorflow_reads


def test_what_follows_a_progressive_jpeg_does_not_count():
    content = encoded(PIXELS, "JPEG", progressive=True)
    half = content[: content.rindex(b"\xff\xda")] + b"\xff\xd9"
    assert read(read_jpeg, content + half).tensorflow_reads
    assert not read(read_jpeg, half + content).tensorflow_reads


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 3)], ids=["grey", "rgb"])
def test_a_lossless_jpeg_is_stored_as_a_png(shape):
    pixels = PIXELS.ravel()[: np.prod(shape)].reshape(shape)
    content = bytes(imagecodecs.jpeg8_encode(pixels, lossless=True))
    raster = read(read_jpeg, content)
    np.testing.assert_array_equal(raster.samples, pixels.reshape(32, 48, -1))
    assert not raster.tensorflow_reads
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(content)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_damaged_jpeg_is_only_kept_if_tensorflow_reads_the_same_pixels(options):
    content = encoded(PIXELS[:16, :24], "JPEG", **options)
    end, kept = b"\xff\xd9", 0
    for place in range(2, len(content)):
        before, after = content[:place], content[place:]
        for damaged in (before + b"\xff" + after[1:], before + end, before + end + after):
            try:
                raster = read(read_jpeg, damaged)
            except Exception:
                continue
            if raster.tensorflow_reads:
                np.testing.assert_array_equal(decode_image(damaged), raster.colours)
                kept += 1
    assert kept > 500
