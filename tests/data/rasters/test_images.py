import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from data.config import DataConfig
from data.errors import PairError
from data.examples.parsing import decode_image
from data.rasters.images import as_png_or_jpeg, encode_png, intensity_levels, load_image

ORIENTATION = 0x0112
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
RGB = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
ACROSS, DOWN = np.meshgrid(np.arange(0, 240, 5), np.arange(0, 160, 5))
SMOOTH = Image.fromarray(np.stack([ACROSS, DOWN, np.full((32, 48), 90)], -1).astype(np.uint8))


def config(**changes):
    source = {"kind": "folder", "path": "x"}
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"]} | changes)


DATA = config()


def refusal(content, data=DATA):
    with pytest.raises(PairError) as caught:
        load_image(content, "some/where.png", data)
    assert str(caught.value) == f"some/where.png: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return {"exif": exif}


def png_by_hand(width, height, depth, colour_type, rows, interlaced=0):
    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
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
    # Of 3 by 3 pixels, Adam7's seven passes hold 1, 0, 0, 1, 2, 2 and 3.
    "interlaced png": png_by_hand(
        3, 3, 8, 0, [b"\x01", b"\x03", b"\x07\x09", b"\x02", b"\x08", b"\x04\x05\x06"], 1
    ),
    "more rows than the header says": png_by_hand(2, 1, 8, 0, [b"\x01\x02", bytes(10**6)]),
    "grey png, one shade transparent": encoded(GREY, "PNG", transparency=3),
}
LOSSY = {
    "rgb jpeg": encoded(SMOOTH, "JPEG", quality=95),
    "grey jpeg": encoded(SMOOTH.convert("L"), "JPEG", quality=95),
    "progressive jpeg": encoded(SMOOTH, "JPEG", progressive=True),
    "upright by exif": encoded(SMOOTH, "JPEG", **turned(1)),
}
REWRITTEN = {
    "rgb bmp": (encoded(RGB, "BMP"), RGB),
    "bmp with two bytes behind the pixels": (encoded(RGB, "BMP") + bytes(2), RGB),
    "grey bmp": (encoded(GREY, "BMP"), GREY),
    "palette bmp": (encoded(RGB.quantize(8), "BMP"), RGB.quantize(8)),
    "1-bit bmp": (encoded(GREY.convert("1"), "BMP"), GREY.convert("1")),
    "bmp with alpha": (encoded(with_alpha(RGB), "BMP"), RGB),
    "bmp without the last row's padding": (encoded(RGB, "BMP")[:-3], RGB),
    "gif under another suffix": (encoded(GREY, "GIF"), GREY),
}


@pytest.mark.parametrize("content", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_files_pass_byte_for_byte_and_tensorflow_sees_the_same_pixels(content):
    image = load_image(content, "x", DATA)
    assert image.encoded == content
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(image.pixels, expected)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


@pytest.mark.parametrize("content", LOSSY.values(), ids=LOSSY)
def test_jpeg_passes_byte_for_byte_and_tensorflow_sees_the_same_pixels(content):
    image = load_image(content, "x", DATA)
    assert image.encoded == content
    assert image.pixels.shape == (32, 48, 3)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


@pytest.mark.parametrize(("content", "source"), REWRITTEN.values(), ids=REWRITTEN)
def test_what_models_do_not_read_becomes_a_lossless_png(content, source):
    image = load_image(content, "x", DATA)
    assert Image.open(io.BytesIO(image.encoded)).format == "PNG"
    np.testing.assert_array_equal(image.pixels, np.asarray(source.convert("RGB")))
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


def test_other_formats_are_converted_to_what_a_viewer_shows():
    large = Image.new("P", (7, 5))
    large.putpalette([0, 0, 0, 255, 0, 0])
    other = large.point(lambda _: 1)
    animated = encoded(large, "GIF", save_all=True, append_images=[other])
    frame = bytearray(encoded(Image.new("P", (3, 2)), "GIF"))
    frame[6:10] = (7).to_bytes(2, "little") + (5).to_bytes(2, "little")  # a larger canvas
    for content, expected in (
        (encoded(RGB.quantize(8), "BMP"), np.asarray(RGB.quantize(8).convert("RGB"))),
        (bytes(frame), np.asarray(Image.open(io.BytesIO(frame)).convert("RGB"))),
        (encoded(RGB, "TIFF"), np.asarray(RGB)),
        (encoded(RGB, "WEBP", lossless=True), np.asarray(RGB)),
    ):
        png = as_png_or_jpeg(content, "x", 10**6)
        assert Image.open(io.BytesIO(png)).format == "PNG"
        np.testing.assert_array_equal(decode_image(png), expected)
    deep = np.arange(6, dtype=np.uint16).reshape(2, 3) * 1000
    png = as_png_or_jpeg(encoded(Image.fromarray(deep), "TIFF"), "x", 10**6)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), deep)
    for content in (encoded(RGB, "PNG"), encoded(RGB, "JPEG"), b"no image"):
        assert as_png_or_jpeg(content, "x", 10**6) is content
    with pytest.raises(PairError, match="several frames in one file"):
        as_png_or_jpeg(animated, "x", 10**6)
    with pytest.raises(PairError, match=r"^x: more than 10 pixels\. Scale the image down"):
        as_png_or_jpeg(encoded(RGB, "BMP"), "x", 10)


def test_cmyk_jpeg_becomes_a_png_of_its_own_colours():
    image = load_image(encoded(SMOOTH.convert("CMYK"), "JPEG", quality=95), "x", DATA)
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
    image = load_image(content, "x", DATA)
    assert image.encoded != content
    assert image.sides_swapped == (orientation >= 5)
    expected = np.array([[shade[x] for x in row] for row in UPRIGHT[orientation]])
    np.testing.assert_allclose(image.pixels[8::16, 8::16, 0], expected, atol=3)
    assert image.pixels.shape == (*np.multiply(expected.shape, 16), 3)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    again = load_image(image.encoded, "x", DATA)
    np.testing.assert_array_equal(again.pixels, image.pixels)
    assert not again.sides_swapped


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_exif_orientation_is_ignored(orientation):
    content = encoded(RGB, "PNG", **turned(orientation))
    assert load_image(content, "x", DATA).encoded == content


def test_of_a_phones_two_pictures_in_a_jpeg_the_first_counts():
    content = encoded(SMOOTH, "MPO", save_all=True, append_images=[RGB])
    image = load_image(content, "x", DATA)
    assert image.encoded == content
    assert image.pixels.shape == decode_image(content).shape == (32, 48, 3)


NUMBERS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9).map(lambda s: (*s[:2], 3))
)


@given(
    NUMBERS,
    st.sampled_from(["L", "LA", "RGB", "RGBA", "P", "1"]),
    st.sampled_from(["PNG", "BMP", "TIFF", "GIF"]),
    st.integers(1, 8),
)
@settings(max_examples=200)
def test_tensorflow_decodes_what_is_stored_to_the_very_pixels(pixels, mode, kind, orientation):
    picture = Image.fromarray(pixels).convert(mode)
    if kind in ("BMP", "GIF") and "A" in mode:
        picture = picture.convert("RGB")
    options = turned(orientation) if kind in ("PNG", "TIFF") else {}
    image = load_image(encoded(picture, kind, **options), "x", DATA)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    if orientation == 1 and kind != "GIF":
        expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(image.pixels, expected)


SIXTEEN_BITS = {
    name: np.random.default_rng(1).integers(0, 65536, (5, 7, *channels), np.uint16)
    for name, channels in {"grey": (), "grey, alpha": (2,), "rgb": (3,), "rgba": (4,)}.items()
}


def without_alpha(samples):
    if samples.ndim == 2:
        return np.stack([samples] * 3, -1)
    return samples[..., :3] if samples.shape[2] > 2 else samples[..., [0, 0, 0]]


@pytest.mark.parametrize("samples", SIXTEEN_BITS.values(), ids=SIXTEEN_BITS)
class TestSixteenBits:
    def test_without_a_range_the_upper_8_bits_count_and_the_file_passes(self, samples):
        content = imagecodecs.png_encode(samples)
        image = load_image(content, "x", DATA)
        assert image.encoded == content
        np.testing.assert_array_equal(image.pixels, without_alpha(samples) // 256)
        np.testing.assert_array_equal(decode_image(content).numpy(), image.pixels)
        assert image.max_sample == without_alpha(samples).max()

    def test_a_range_becomes_0_to_255_in_the_stored_file_and_in_the_serving_graph(self, samples):
        content = imagecodecs.png_encode(samples)
        image = load_image(content, "x", config(intensity_range=[1000, 50000]))
        scaled = (without_alpha(samples).clip(1000, 50000) - 1000.0) * 255 / 49000
        np.testing.assert_array_equal(image.pixels, np.floor(scaled + 0.5))
        np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
        served = tf.function(lambda encoded: decode_image(encoded, (1000, 50000)))
        np.testing.assert_array_equal(served(content).numpy(), image.pixels)
        np.testing.assert_array_equal(served(image.encoded).numpy(), image.pixels)


@pytest.mark.parametrize(
    ("intensity_range", "sample", "level"),
    [
        ((0, 4095), 0, 0),
        ((0, 4095), 4095, 255),
        ((0, 4095), 9999, 255),
        ((0, 4095), 2048, 128),  # 127.53
        ((100, 610), 99, 0),
        ((100, 610), 101, 1),  # 0.5, and halves go up
        ((100, 610), 103, 2),  # 1.5
        ((100, 610), 104, 2),
        ((7, 8), 7, 0),
        ((7, 8), 8, 255),
        ((0, 65535), 65535, 255),
        (None, 255, 0),
        (None, 256, 1),
        (None, 65535, 255),
    ],
)
def test_levels_by_hand(intensity_range, sample, level):
    assert intensity_levels(intensity_range)[sample] == level


@given(
    hnp.arrays(np.uint16, st.sampled_from([(3, 4), (3, 4, 3)])),
    st.tuples(st.integers(0, 65535), st.integers(0, 65535)).filter(lambda ends: ends[0] < ends[1]),
)
@settings(max_examples=100)
def test_serving_and_training_see_the_same_levels(samples, intensity_range):
    content = imagecodecs.png_encode(samples)
    trained = load_image(content, "x", config(intensity_range=list(intensity_range))).pixels
    np.testing.assert_array_equal(decode_image(content, intensity_range).numpy(), trained)


@pytest.mark.parametrize("content", (LOSSLESS | LOSSY).values(), ids=LOSSLESS | LOSSY)
def test_a_range_leaves_8_bit_files_alone(content):
    plain, ranged = (
        load_image(content, "x", data) for data in (DATA, config(intensity_range=[5, 9]))
    )
    assert ranged.encoded == content
    assert ranged.max_sample is plain.max_sample is None
    np.testing.assert_array_equal(ranged.pixels, plain.pixels)
    np.testing.assert_array_equal(decode_image(content, (5, 9)), decode_image(content))


@pytest.mark.parametrize("start", [b"", b"\x89PNG\r\n\x1a\n", bytes(40)])
def test_a_range_does_not_change_what_bytes_that_are_no_image_raise(start):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(start, (5, 9))


def test_a_range_knows_a_png_by_more_than_its_depth():
    picture = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 16])
    content = encoded(picture, "GIF")
    assert content[24] == 16  # the bit depth of a PNG
    np.testing.assert_array_equal(decode_image(content, (5, 9)), decode_image(content))


def test_12_bit_microscopy_is_nearly_black_and_its_greatest_sample_tells():
    samples = np.array([[0, 1000, 4095]], np.uint16)
    image = load_image(imagecodecs.png_encode(samples), "x", DATA)
    assert image.pixels.max() == 15
    assert image.max_sample == 4095
    corrected = load_image(imagecodecs.png_encode(samples), "x", config(intensity_range=[0, 4095]))
    assert corrected.pixels[0, :, 0].tolist() == [0, 62, 255]


def test_a_png_that_looks_back_further_than_its_window_is_refused_as_by_tensorflow():
    row = np.random.default_rng(0).integers(0, 256, 600, np.uint8).tobytes()
    content = png_by_hand(600, 2, 8, 0, [row, row])
    np.testing.assert_array_equal(decode_image(content), load_image(content, "x", DATA).pixels)
    place = content.index(b"IDAT")
    (length,) = struct.unpack_from(">I", content, place - 4)
    body = b"IDAT\x08\x1d" + content[place + 6 : place + 4 + length]  # a window of 256 bytes
    rest = content[place + 8 + length :]
    content = content[:place] + body + struct.pack(">I", zlib.crc32(body)) + rest
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(content)
    assert refusal(content).kind == "unreadable"


def test_a_large_png_is_loaded():
    pixels = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), np.uint8)
    image = load_image(encode_png(pixels), "x", DATA)
    np.testing.assert_array_equal(image.pixels, pixels)


def test_too_large_an_image_is_refused_with_the_limit():
    limit = config(max_pixels=34)
    error = refusal(encoded(RGB, "PNG"), limit)
    assert error.kind == "too_large"
    assert "more than the 34 pixels" in error.reason
    assert "data.max_pixels" in error.reason
    assert load_image(encoded(RGB, "PNG"), "x", config(max_pixels=35)).pixels.shape == (5, 7, 3)


@pytest.mark.parametrize(("kind", "frames_found"), [("GIF", "several"), ("PNG", "3")])
def test_an_animation_is_refused(kind, frames_found):
    frames = [Image.fromarray(PIXELS[..., i]) for i in range(3)]
    error = refusal(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert error.kind == "image_format"
    assert error.reason.startswith(f"{frames_found} frames in one file, expected one")


@given(hnp.arrays(np.uint8, st.sampled_from([(1, 1), (5, 7), (1, 9, 3), (6, 4, 3)])), st.booleans())
@example(PIXELS[:, ::-1], False)
def test_encode_png_is_lossless(pixels, flat):
    decoded = Image.open(io.BytesIO(encode_png(pixels, flat=flat)))
    assert decoded.format == "PNG"
    np.testing.assert_array_equal(np.asarray(decoded), pixels)
