"""What costs much more than it weighs is refused before it is decoded."""

import io

import numpy as np
import pytest
from PIL import Image

from data.errors import PairError
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
