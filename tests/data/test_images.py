import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.examples import decode_image
from data.images import encode_png, load_image

ORIENTATION = 0x0112
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
RGB = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
ACROSS, DOWN = np.meshgrid(np.arange(0, 240, 5), np.arange(0, 160, 5))
SMOOTH = Image.fromarray(np.stack([ACROSS, DOWN, np.full((32, 48), 90)], -1).astype(np.uint8))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return {"exif": exif}


def png_by_hand(width, height, depth, colour_type, rows):
    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def with_alpha(image):
    copy = image.convert("RGBA")
    copy.putalpha(GREY)
    return copy


LOSSLESS = {
    "grey png": encoded(GREY, "PNG"),
    "rgb png": encoded(RGB, "PNG"),
    "rgba png": encoded(with_alpha(RGB), "PNG"),
    "grey and alpha png": encoded(with_alpha(RGB).convert("LA"), "PNG"),
    "palette png": encoded(RGB.quantize(8), "PNG"),
    "palette png, one colour transparent": encoded(RGB.quantize(8), "PNG", transparency=0),
    "palette png, each colour with its alpha": encoded(
        RGB.quantize(8), "PNG", transparency=bytes(range(0, 80, 10))
    ),
    "1-bit png": encoded(GREY.convert("1"), "PNG"),
    "2-bit grey png": png_by_hand(4, 2, 2, 0, [b"\x1b", b"\xe4"]),
    "rgb bmp": encoded(RGB, "BMP"),
}
LOSSY = {
    "rgb jpeg": encoded(SMOOTH, "JPEG", quality=95),
    "grey jpeg": encoded(SMOOTH.convert("L"), "JPEG", quality=95),
    "progressive jpeg": encoded(SMOOTH, "JPEG", progressive=True),
    "upright by exif": encoded(SMOOTH, "JPEG", **turned(1)),
}
REWRITTEN = {
    "tiff": (encoded(RGB, "TIFF"), RGB),
    "cmyk tiff": (encoded(RGB.convert("CMYK"), "TIFF"), RGB),
    "grey bmp": (encoded(GREY, "BMP"), GREY),
    "palette bmp": (encoded(RGB.quantize(8), "BMP"), RGB.quantize(8)),
    "gif under another suffix": (encoded(GREY, "GIF"), GREY),
}


@pytest.mark.parametrize("content", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_files_pass_byte_for_byte_and_tensorflow_sees_the_same_pixels(content):
    image = load_image(content, "x")
    assert image.encoded == content
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(image.pixels, expected)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


@pytest.mark.parametrize("content", LOSSY.values(), ids=LOSSY)
def test_jpeg_passes_byte_for_byte_and_tensorflow_sees_nearly_the_same_pixels(content):
    image = load_image(content, "x")
    assert image.encoded == content
    assert image.pixels.shape == (32, 48, 3)
    # The two libraries round differently, and interpolate colours differently.
    difference = np.abs(decode_image(image.encoded).numpy().astype(int) - image.pixels)
    assert difference.max() <= 8
    assert difference.mean() < 2


@pytest.mark.parametrize(("content", "source"), REWRITTEN.values(), ids=REWRITTEN)
def test_what_tensorflow_cannot_read_becomes_a_lossless_png(content, source):
    image = load_image(content, "x")
    assert Image.open(io.BytesIO(image.encoded)).format == "PNG"
    np.testing.assert_array_equal(image.pixels, np.asarray(source.convert("RGB")))
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


def test_cmyk_jpeg_becomes_a_png_of_its_own_colours():
    image = load_image(encoded(SMOOTH.convert("CMYK"), "JPEG", quality=95), "x")
    assert Image.open(io.BytesIO(image.encoded)).format == "PNG"
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    assert np.abs(image.pixels.astype(int) - np.asarray(SMOOTH)).mean() < 4


UPRIGHT = {  # Of [[a, b, c], [d, e, f]], by EXIF orientation.
    2: ["cba", "fed"],
    3: ["fed", "cba"],
    4: ["def", "abc"],
    5: ["ad", "be", "cf"],
    6: ["da", "eb", "fc"],
    7: ["fc", "eb", "da"],
    8: ["cf", "be", "ad"],
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied_and_encoded_anew(orientation, kind):
    shade = {letter: 40 * i for i, letter in enumerate("abcdef")}
    blocks = np.array([[shade[x] for x in row] for row in ("abc", "def")], np.uint8)
    stored = Image.fromarray(blocks.repeat(16, 0).repeat(16, 1)).convert("RGB")
    content = encoded(stored, kind, **turned(orientation))
    image = load_image(content, "x")
    assert image.encoded != content
    expected = np.array([[shade[x] for x in row] for row in UPRIGHT[orientation]])
    np.testing.assert_allclose(image.pixels[8::16, 8::16, 0], expected, atol=3)
    assert image.pixels.shape == (*np.multiply(expected.shape, 16), 3)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    again = load_image(image.encoded, "x")
    np.testing.assert_array_equal(again.pixels, image.pixels)


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
BROKEN = {
    "truncated png": encoded(NOISE, "PNG")[:6000],
    "truncated jpeg": encoded(NOISE, "JPEG")[:2000],
    "only a header": encoded(NOISE, "PNG")[:20],
    "text": b"not an image\n",
    "empty": b"",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_in_one_line(content):
    with pytest.raises(InputError) as caught:
        load_image(content, "some/where.png")
    message = str(caught.value)
    assert message.startswith("some/where.png: cannot be read as an image (")
    assert message.endswith("Restore or remove the file.")
    assert "\n" not in message
    assert "object at 0x" not in message


SIXTEEN_BIT = {
    "rgb png": png_by_hand(2, 1, 16, 2, [bytes(range(12))]),
    "rgba png": png_by_hand(2, 1, 16, 6, [bytes(range(16))]),
    "grey and alpha png": png_by_hand(2, 1, 16, 4, [bytes(range(8))]),
    "grey png": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG"),
    "grey tiff": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "TIFF"),
    "float tiff": encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF"),
}


@pytest.mark.parametrize("content", SIXTEEN_BIT.values(), ids=SIXTEEN_BIT)
def test_more_than_eight_bits_a_channel_are_refused(content):
    with pytest.raises(InputError, match=r"^some/where\.png: .*expected 8 bits a channel"):
        load_image(content, "some/where.png")


def test_encode_png_is_lossless():
    decoded = Image.open(io.BytesIO(encode_png(RGB)))
    assert decoded.format == "PNG"
    np.testing.assert_array_equal(np.asarray(decoded), PIXELS)
