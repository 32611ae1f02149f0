"""Damaged files are either loaded or rejected; none crashes the reader or gives half an image."""

import functools
import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from data.config import DataConfig
from data.errors import PairError
from data.examples.parsing import decode_image, decode_mask
from data.rasters.images import load_image
from data.rasters.masks import load_mask

DATA = DataConfig.model_validate(
    {
        "source": {"kind": "folder", "path": "x"},
        "classes": [f"c{i}" for i in range(255)],
    }
)
KINDS = {
    "unreadable",
    "too_large",
    "image_format",
    "mask_format",
    "jpeg_mask",
    "value_without_class",
}
GREY = np.random.default_rng(0).integers(0, 255, (23, 37), np.uint8)
RGB = np.stack([GREY, GREY // 2, 255 - GREY], -1)


def encoded(pixels, kind, mode=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = {
    "grey png": encoded(GREY, "PNG"),
    "rgb png": encoded(RGB, "PNG"),
    "palette png": encoded(GREY, "PNG", "P"),
    "1-bit png": encoded(GREY, "PNG", "1"),
    "16-bit png": imagecodecs.png_encode(RGB.astype(np.uint16) * 257),
    "turned png": encoded(RGB, "PNG", exif=orientation()),
    "jpeg": encoded(RGB, "JPEG"),
    "turned jpeg": encoded(RGB, "JPEG", exif=orientation()),
    "progressive jpeg": encoded(RGB, "JPEG", progressive=True),
    "cmyk jpeg": encoded(RGB, "JPEG", "CMYK"),
    "rgb bmp": encoded(RGB, "BMP"),
    "palette bmp": encoded(GREY, "BMP", "P"),
    "gif": encoded(GREY, "GIF"),
    "webp": encoded(RGB, "WEBP", lossless=True),
    "turned lossy webp": encoded(RGB, "WEBP", exif=orientation()),
    "tiff": tiff(RGB, photometric="rgb"),
    "tiff, header first": encoded(GREY, "TIFF", "P"),
    "tiled lzw tiff": tiff(
        RGB, photometric="rgb", compression="lzw", predictor=True, tile=(16, 16)
    ),
    "deflate tiff": tiff(GREY, compression="deflate", rowsperstrip=5),
    "jpeg tiff": tiff(RGB, photometric="rgb", compression="jpeg", rowsperstrip=16),
    "planar 16-bit tiff": tiff(
        np.moveaxis(RGB, -1, 0).astype(np.uint16), photometric="rgb", planarconfig="separate"
    ),
    "fax tiff": encoded(GREY, "TIFF", "1", compression="group4"),
}


def load_or_refuse(load, content):
    try:
        return load(content, "x", DATA)
    except PairError as error:
        return error


@functools.cache
def whole(name):
    return load_image(FILES[name], "x", DATA).pixels


@pytest.mark.filterwarnings("ignore")  # Pillow only warns of invalid metadata, as in a run
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_short_is_unreadable_and_never_a_half_image(name):
    content = FILES[name]
    lengths = {
        *range(0, len(content), max(1, len(content) // 150)),
        *range(len(content) - 20, len(content)),
    }
    refused = 0
    for length in lengths:
        outcome = load_or_refuse(load_image, content[:length])
        if isinstance(outcome, PairError):
            assert outcome.kind == "unreadable"
            refused += 1
        else:  # the missing bytes were padding or redundant
            np.testing.assert_array_equal(outcome.pixels, whole(name))
    assert refused > 0.95 * (len(lengths) - 20)


def alter(content, changes):
    altered = bytearray(content)
    for place, value in changes:
        altered[int(place * len(altered))] = value
    return bytes(altered)


CHANGES = st.lists(
    st.tuples(
        # Damage in headers has the most diverse effects.
        st.floats(0, 0.1) | st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def check_that_it_is_refused_or_loads(content):
    image = load_or_refuse(load_image, content)
    if isinstance(image, PairError):
        assert image.kind in KINDS
    else:
        np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    mask = load_or_refuse(load_mask, content)
    if isinstance(mask, PairError):
        assert mask.kind in KINDS
    else:
        np.testing.assert_array_equal(decode_mask(mask.encoded).numpy(), mask.class_ids)


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(sorted(FILES)), CHANGES)
@settings(max_examples=600)
def test_an_altered_file_is_refused_or_loads_as_tensorflow_will_read_it(name, changes):
    check_that_it_is_refused_or_loads(alter(FILES[name], changes))


@pytest.mark.filterwarnings("ignore")
@given(
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0"]
    ),
    st.binary(max_size=200),
)
@settings(max_examples=300)
@example(b"", b"")
@example(b"II*\0", b"\x08\0\0\0\0\0")
def test_any_bytes_are_refused_or_load(start, rest):
    check_that_it_is_refused_or_loads(start + rest)


@pytest.mark.parametrize("name", ["grey png", "palette png", "16-bit png"])
def test_a_wrong_checksum_is_damage_though_the_pixels_may_be_whole(name):
    content = bytearray(FILES[name])
    content[-13] ^= 1  # before the last chunk, of 12 bytes: the pixels' checksum
    for load in (load_image, load_mask):
        assert load_or_refuse(load, bytes(content)).kind == "unreadable"


def checksum_every_chunk(png):
    """Corrects the checksums of a damaged PNG, so that the checksums do not reveal the damage."""
    place, parts = 8, [png[:8]]
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        body = png[place + 4 : place + 8 + length]
        parts += [png[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place += 12 + length
    return b"".join(parts)


def png_header(width, height):
    content = bytearray(FILES["rgb png"])
    content[16:24] = struct.pack(">II", width, height)
    return checksum_every_chunk(bytes(content))


def tiff_header(width, height):
    content = bytearray(FILES["tiff"])
    for tag, value in ((256, width), (257, height)):
        place = content.index(struct.pack("<HHI", tag, 4, 1))
        content[place + 8 : place + 12] = struct.pack("<I", value)
    return bytes(content)


def jpeg_header(width, height):
    content = bytearray(FILES["jpeg"])
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def bmp_header(width, height):
    content = bytearray(FILES["rgb bmp"])
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


BOMBS = {
    "png": png_header(60000, 60000),
    "jpeg": jpeg_header(60000, 60000),
    "bmp": bmp_header(60000, 60000),
    "tiff": tiff_header(60000, 60000),
    "png, the most there can be": png_header(2**31 - 1, 2**31 - 1),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("load", [load_image, load_mask])
def test_a_bomb_is_refused_by_its_header(load, content):
    with pytest.raises(PairError) as caught:
        load(content, "x", DATA)
    assert caught.value.kind == "too_large"
    assert "more than the 100000000 pixels that data.max_pixels allows" in caught.value.reason


def test_beyond_pillows_own_limit_data_max_pixels_alone_decides():
    content = encoded(np.zeros((14_000, 13_000), np.uint8), "PNG")
    assert len(content) < 300_000
    with pytest.raises(PairError, match=r"data\.max_pixels"):
        load_mask(content, "x", DATA)
    roomy = DATA.model_copy(update={"max_pixels": 182_000_000})
    assert load_mask(content, "x", roomy).class_ids.shape == (14_000, 13_000)


@pytest.mark.parametrize("content", [b"", b"not an image\n", b"%PDF-1.7"])
def test_a_file_that_is_no_image_is_refused_with_the_expected_formats(content):
    with pytest.raises(PairError) as caught:
        load_image(content, "some/where.png", DATA)
    assert caught.value.kind == "unreadable"
    assert str(caught.value) == (
        "some/where.png: cannot be read as an image (not a PNG, JPEG, BMP, GIF, TIFF or WebP "
        "file). Convert or remove the file."
    )


def test_equal_faults_have_equal_messages_and_nothing_else_is_printed(capfd, caplog):
    reasons = set()
    cut_short = [FILES[name][:-300] for name in ("grey png", "jpeg", "tiff", "tiled lzw tiff")]
    for content in [*cut_short, alter(FILES["rgb png"], [(0.5, 0)]), png_header(1_000_001, 1)]:
        with pytest.raises(PairError) as caught:
            load_image(content, "x", DATA)
        reasons.add(caught.value.reason)
    assert reasons == {
        "cannot be read as an image (damaged or truncated). Restore or remove the file."
    }
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_tensorflow_too_misses_the_last_chunk_of_a_png():
    # Pillow and libpng do not miss it, so the ingestion checks for it itself.
    for length in (12, 4):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode_image(FILES["grey png"][:-length])
        with pytest.raises(PairError):
            load_mask(FILES["grey png"][:-length], "x", DATA)
