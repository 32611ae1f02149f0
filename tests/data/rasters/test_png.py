"""The chunks of PNG files."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from data.examples.parsing import decode_image
from data.rasters.images import encode_png
from data.rasters.png import read_png
from data.rasters.raster import RasterFile

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
SIGNATURE, HEADER = 8, 25  # lengths in bytes of the signature, and of the chunk IHDR


def read(content):
    return read_png(RasterFile(content, "x", "image", 10**6))


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def test_many_orientations_cost_no_more_than_one():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    png = encode_png(PIXELS)
    chunks = chunk(b"eXIf", exif.tobytes()) * 30_000  # if Pillow read each: half an hour
    turned = read(png[: SIGNATURE + HEADER] + chunks + png[SIGNATURE + HEADER :])
    assert turned.orientation == 6


def test_the_size_comes_first_and_once():
    png = encode_png(PIXELS)
    np.testing.assert_array_equal(read(png).samples, PIXELS)
    false_head = chunk(b"fAKE", struct.pack(">II", 1, 1) + bytes(5))
    header = png[SIGNATURE : SIGNATURE + HEADER]
    for place, inserted in ((SIGNATURE, false_head), (SIGNATURE + HEADER, header)):
        with pytest.raises(ValueError, match="IHDR is not the first chunk"):
            read(png[:place] + inserted + png[place:])


PIXEL = zlib.compress(b"\0\0")
IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0))
PLTE, IDAT, IEND = chunk(b"PLTE", bytes(6)), chunk(b"IDAT", PIXEL), chunk(b"IEND", b"")
HALVES = [chunk(b"IDAT", PIXEL[:5]), chunk(b"IDAT", PIXEL[5:])]
UNKNOWN = chunk(b"abCd", b"")
FAULTS = {
    "no palette": [IHDR, IDAT, IEND],
    "an empty palette": [IHDR, chunk(b"PLTE", b""), PLTE, IDAT, IEND],
    "half a colour": [IHDR, chunk(b"PLTE", bytes(7)), IDAT, IEND],
    "257 colours": [IHDR, chunk(b"PLTE", bytes(771)), IDAT, IEND],
    "two palettes": [IHDR, PLTE, PLTE, IDAT, IEND],
    "a palette after the samples": [IHDR, IDAT, PLTE, IEND],
    "divided samples": [IHDR, PLTE, HALVES[0], UNKNOWN, HALVES[1], IEND],
    "an unknown critical chunk": [IHDR, PLTE, chunk(b"ABCD", b""), IDAT, IEND],
}


def png(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_chunks_in_order_are_read():
    content = png([IHDR, UNKNOWN, PLTE, UNKNOWN, *HALVES, UNKNOWN, IEND, UNKNOWN])
    np.testing.assert_array_equal(read(content).samples, [[[0]]])
    np.testing.assert_array_equal(decode_image(content), [[[0, 0, 0]]])


@pytest.mark.parametrize("chunks", FAULTS.values(), ids=FAULTS)
def test_what_tensorflow_refuses_is_not_read(chunks):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(png(chunks))
    with pytest.raises(ValueError, match=r"palette|PLTE|samples|critical"):
        read(png(chunks))
