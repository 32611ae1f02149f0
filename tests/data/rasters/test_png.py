"""The chunks of PNG files."""

import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

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
