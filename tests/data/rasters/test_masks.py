import io
import pickle

import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
import tifffile
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from data.config import DataConfig
from data.errors import PairError
from data.examples.parsing import decode_mask
from data.rasters.masks import ValuesWithoutClass, load_mask


def config(classes=("ground", "disc", "rim"), **changes):
    source = {"kind": "folder", "path": "x"}
    return DataConfig.model_validate({"source": source, "classes": list(classes)} | changes)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(*rows):
    return Image.fromarray(np.array(rows, np.uint8))


def refusal(content, settings):
    with pytest.raises(PairError) as caught:
        load_mask(content, "masks/1.png", settings)
    assert str(caught.value) == f"masks/1.png: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value


def ids_of(content, settings):
    mask = load_mask(content, "x", settings)
    assert mask.class_ids.dtype == np.uint8
    np.testing.assert_array_equal(decode_mask(mask.encoded).numpy(), mask.class_ids)
    header = Image.open(io.BytesIO(mask.encoded))
    assert (header.format, header.mode) == ("PNG", "L")
    return mask.class_ids


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_ids_are_read_as_they_are_and_255_is_ignored(kind):
    mask = ids_of(encoded(grey([0, 1, 2], [2, 255, 0]), kind), config())
    np.testing.assert_array_equal(mask, [[0, 1, 2], [2, 255, 0]])


def test_a_webp_mask_must_be_lossless():
    ids = grey([0, 1, 2], [2, 255, 0]).convert("RGB")
    content = encoded(ids, "WEBP", lossless=True, exact=True)
    np.testing.assert_array_equal(ids_of(content, config()), [[0, 1, 2], [2, 255, 0]])
    extended = encoded(ids, "WEBP", lossless=True, exact=True, icc_profile=b"VP8 ")
    np.testing.assert_array_equal(ids_of(extended, config()), [[0, 1, 2], [2, 255, 0]])
    for options in ({}, {"icc_profile": b"VP8L"}):
        error = refusal(encoded(ids, "WEBP", **options), config())
        assert error.reason.startswith("a WebP mask, whose compression changes the values")


def test_mask_values_map_pixel_values_to_classes():
    settings = config(mask_values={0: "disc", 255: "ground"})
    mask = ids_of(encoded(grey([0, 255, 255])), settings)
    np.testing.assert_array_equal(mask, [[1, 0, 0]])


def test_another_ignore_value_is_stored_as_255():
    settings = config(mask_values={10: "ground", 20: "disc"}, ignore_value=0)
    mask = ids_of(encoded(grey([0, 10, 20])), settings)
    np.testing.assert_array_equal(mask, [[255, 0, 1]])


def test_without_ignore_value_255_has_no_class():
    error = refusal(encoded(grey([0, 1, 255])), config(ignore_value=None))
    assert "no class for the pixel value 255." in error.reason


def test_palette_ids_count_and_not_their_colours():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    image.putpalette([200, 200, 200, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(ids_of(encoded(image), config()), [[0, 1], [2, 1]])


def test_one_bit_masks_are_0_and_255_as_every_viewer_shows_them():
    content = encoded(grey([0, 255], [255, 255]).convert("1"))
    settings = config(mask_values={0: "ground", 255: "disc"})
    np.testing.assert_array_equal(ids_of(content, settings), [[0, 1], [1, 1]])


@pytest.mark.parametrize("values", [[0, 255], [255, 255]], ids=["both", "only 255"])
def test_a_line_is_suggested_for_a_0_255_mask_without_mask_values(values):
    settings = config(["cell", "membrane"], ignore_value=None)
    message = refusal(encoded(grey(values)), settings).reason
    line = "mask_values: {0: cell, 255: membrane}"
    assert line in message
    corrected = config(["cell", "membrane"], ignore_value=None, **yaml.safe_load(line))
    expected = [[0 if value == 0 else 1 for value in values]]
    np.testing.assert_array_equal(ids_of(encoded(grey(values)), corrected), expected)


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([0, 2, 7, 9], config(), "no class for the pixel values 7, 9. "),
        ([0, 2, 7], config(), "no class for the pixel value 7. "),
        (
            [0, 128],
            config(mask_values={0: "ground"}),
            "no class for the pixel value 128. Give it a class in data.mask_values",
        ),
        (list(range(3, 11)), config(), "no class for the pixel values 3, 4, 5, 6, 7, 8, 9, 10. "),
        (list(range(3, 12)), config(), "no class for more than 8 of its pixel values. "),
    ],
    ids=["several", "one", "with mask_values", "eight", "many"],
)
def test_values_without_a_class_are_named(values, settings, expected):
    error = refusal(encoded(grey(values)), settings)
    assert isinstance(error, ValuesWithoutClass)
    assert error.kind == "value_without_class"
    assert error.reason.startswith(expected)
    assert error.present == set(values)
    assert error.unknown == set(values) - set(settings.class_of_value)


def test_masks_with_many_values_without_a_class_have_the_same_message():
    one, other = (refusal(encoded(grey(range(i, i + 60))), config()) for i in (10, 90))
    assert one.reason == other.reason


def test_the_error_survives_the_way_from_a_worker():
    error = refusal(encoded(grey([0, 7])), config())
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kind, again.file) == (str(error), error.kind, error.file)
    assert (again.present, again.unknown) == ({0, 7}, {7})


COLOURS = {"#000000": "ground", "#ff8000": "disc", "#0000ff": "rim"}
PAINTED = np.array([[[0, 0, 0], [255, 128, 0]], [[0, 0, 255], [255, 128, 0]]], np.uint8)
BY_COLOUR = config(mask_values=COLOURS, ignore_value="#ffffff")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_colour_table_reads_colours(mode, kind):
    picture = Image.fromarray(PAINTED)
    picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    mask = load_mask(encoded(picture, kind), "x", BY_COLOUR)
    np.testing.assert_array_equal(mask.class_ids, [[0, 1], [2, 1]])
    assert mask.values == ("#000000", "#0000ff", "#ff8000")


@pytest.mark.parametrize(
    ("bits", "transparency"), [(1, None), (2, None), (4, None), (8, None), (8, 1), (2, 0)]
)
def test_palettes_of_any_depth_hold_ids(bits, transparency):
    size = 2**bits
    ids = np.arange(60, dtype=np.uint8).reshape(6, 10) % min(size, 60)
    image = Image.fromarray(ids, mode="P")
    image.putpalette(np.random.default_rng(bits).integers(0, 256, 3 * size).tolist())
    more = {} if transparency is None else {"transparency": transparency}
    content = encoded(image, bits=bits, **more)
    settings = config([f"class_{i}" for i in range(max(min(size, 60), 2))])
    np.testing.assert_array_equal(ids_of(content, settings), ids)


def test_places_of_8_bits_are_stored_without_being_encoded_anew():
    ids = np.arange(40, dtype=np.uint8).reshape(5, 8)
    image = Image.fromarray(ids, mode="P")
    image.putpalette(list(range(240)) + [0] * 528)
    content = encoded(image, bits=8)
    stored = load_mask(content, "x", config([f"class_{i}" for i in range(40)])).encoded
    pixels = content[content.index(b"IDAT") : content.index(b"IEND")]
    assert pixels in stored
    assert b"PLTE" not in stored
    np.testing.assert_array_equal(decode_mask(stored).numpy(), ids)


def test_with_a_colour_table_palettes_and_greys_are_colours_too():
    palette = Image.fromarray(np.array([[7, 9, 4]], np.uint8), mode="P")
    palette.putpalette([0] * 12 + [0, 0, 255] + [0] * 12 + [255, 128, 0])  # 4, and 9; others black
    np.testing.assert_array_equal(ids_of(encoded(palette), BY_COLOUR), [[0, 1, 2]])
    np.testing.assert_array_equal(ids_of(encoded(grey([0, 255])), BY_COLOUR), [[0, 255]])


def test_a_colour_without_a_class_is_named():
    strange = PAINTED.copy()
    strange[0, 0] = (1, 2, 3)
    error = refusal(encoded(Image.fromarray(strange)), BY_COLOUR)
    assert error.reason.startswith("no class for the colour #010203. Give")
    assert error.unknown == {"#010203"}
    assert error.present == {"#010203", "#ff8000", "#0000ff"}


def test_rgb_with_equal_channels_is_grey():
    picture = grey([0, 1], [2, 255]).convert("RGB")
    mask = load_mask(encoded(picture), "x", config())
    np.testing.assert_array_equal(mask.class_ids, [[0, 1], [2, 255]])
    assert mask.values == (0, 1, 2, 255)
    translucent = picture.convert("RGBA")
    translucent.putalpha(9)
    np.testing.assert_array_equal(ids_of(encoded(translucent), config()), [[0, 1], [2, 255]])


LABELS = np.array([[0, 255], [255, 255]], np.uint8)
UNREAD = {
    "RGBA, labels in alpha": np.dstack([np.zeros((2, 2, 3), np.uint8), LABELS]),
    "RGBA, labels in both": np.dstack([LABELS, LABELS, LABELS, LABELS]),
    "grey and alpha": np.dstack([np.zeros((2, 2), np.uint8), LABELS]),
    "one-hot": np.dstack([255 - LABELS, LABELS]),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("samples", UNREAD.values(), ids=UNREAD)
@pytest.mark.parametrize("colours", [False, True])
def test_a_channel_that_is_not_read_must_be_constant(samples, kind, colours):
    values = {"#000000": "ground", "#ffffff": "disc"} if colours else {0: "ground", 255: "disc"}
    settings = config(["ground", "disc"], mask_values=values)
    encode = imagecodecs.png_encode if kind == "PNG" else tiff_encode
    error = refusal(encode(samples), settings)
    assert error.kind == "mask_format"
    assert "If that channel holds the labels, save it as a grey mask" in error.reason
    constant = samples.copy()
    constant[..., -1] = 255
    load_mask(encode(constant), "x", settings)


def tiff_encode(samples):
    buffer = io.BytesIO()
    photometric = "rgb" if samples.shape[-1] > 2 else "minisblack"
    tifffile.imwrite(buffer, samples, photometric=photometric, planarconfig="contig")
    return buffer.getvalue()


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
def test_whether_values_were_inverted_is_known(photometric):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, LABELS > 0, photometric=photometric)
    mask = load_mask(buffer.getvalue(), "x", config(mask_values={0: "ground", 255: "disc"}))
    assert mask.inverted == (photometric == "miniswhite")
    np.testing.assert_array_equal(mask.class_ids, (LABELS == 0) == mask.inverted)


def test_other_values_may_share_a_class():
    settings = config(mask_values={0: "ground", 7: "rim", "other": "disc"}, ignore_value=9)
    mask = load_mask(encoded(grey([0, 1], [200, 7], [9, 255])), "x", settings)
    np.testing.assert_array_equal(mask.class_ids, [[0, 1], [1, 2], [255, 1]])
    assert mask.values == (0, 1, 7, 9, 200, 255)


def test_other_colours_may_share_a_class_but_numbers_do_not_become_colours():
    settings = config(mask_values={"#000000": "ground", "other": "disc"}, ignore_value=None)
    np.testing.assert_array_equal(
        ids_of(encoded(Image.fromarray(PAINTED)), settings), [[0, 1], [1, 1]]
    )
    numbers = config(mask_values={0: "ground", "other": "disc"})
    assert refusal(encoded(Image.fromarray(PAINTED)), numbers).kind == "value_without_class"


@pytest.mark.parametrize("colour", ["#000100", "#000001", "#010000", "#010100", "#000101"])
def test_one_channel_that_differs_makes_a_colour(colour):
    pixels = np.array([[(0, 0, 0), tuple(bytes.fromhex(colour[1:]))]], np.uint8)
    assert refusal(encoded(Image.fromarray(pixels)), config()).unknown == {"#000000", colour}


def test_colours_without_a_colour_table_are_listed():
    error = refusal(encoded(Image.fromarray(PAINTED)), config())
    assert error.reason.startswith("no class for the colours #000000, #0000ff, #ff8000. Colours, ")
    assert error.unknown == {"#000000", "#0000ff", "#ff8000"}


def test_a_photograph_in_place_of_a_mask_keeps_the_error_short():
    photograph = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    error = refusal(encoded(Image.fromarray(photograph)), config())
    assert error.reason.startswith("no class for more than 8 of its colours. Far more values")
    assert len(error.present) == len(error.unknown) == 300


@pytest.mark.parametrize("channels", [(), (2,), (3,)], ids=["grey", "grey, alpha", "rgb"])
def test_ids_of_16_bits(channels):
    ids = np.array([[0, 300], [65535, 300]], np.uint16)
    samples = np.stack([ids] * channels[0], -1) if channels else ids
    if channels == (2,):
        samples[..., 1] = 65535
    settings = config(mask_values={0: "ground", 300: "disc"}, ignore_value=65535)
    mask = load_mask(imagecodecs.png_encode(samples), "x", settings)
    np.testing.assert_array_equal(mask.class_ids, [[0, 1], [255, 1]])
    assert mask.values == (0, 300, 65535)


@pytest.mark.parametrize("settings", [config(), BY_COLOUR], ids=["ids", "colours"])
def test_colours_of_16_bits_are_refused(settings):
    content = imagecodecs.png_encode(PAINTED.astype(np.uint16) * 257)
    error = refusal(content, settings)
    assert error.kind == "mask_format"
    assert "16 bits per channel, expected 8 bits. Convert the mask." in error.reason


def test_a_jpeg_mask_is_refused_whatever_its_suffix():
    error = refusal(encoded(grey([0, 0], [0, 0]), "JPEG"), config())
    assert error.kind == "jpeg_mask"
    assert "Export the mask as PNG." in error.reason


def test_a_mask_may_be_too_large():
    assert refusal(encoded(grey([0, 1, 2])), config(max_pixels=2)).kind == "too_large"


def test_the_exif_orientation_of_a_mask_is_undone():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rotated by 90 degrees
    content = encoded(grey([0, 1, 2], [2, 2, 255]), exif=exif)
    expected = [[2, 0], [2, 1], [255, 2]]
    np.testing.assert_array_equal(ids_of(content, config()), expected)


class TestStoredBytes:
    def test_an_8_bit_grey_png_of_ids_passes_byte_for_byte(self):
        content = encoded(grey([0, 1, 255]))
        assert load_mask(content, "x", config()).encoded == content

    def test_so_it_does_where_mask_values_change_nothing(self):
        content = encoded(grey([0, 1, 255]))
        settings = config(mask_values={0: "ground", 1: "disc", 2: "rim"})
        assert load_mask(content, "x", settings).encoded == content

    @pytest.mark.parametrize(
        ("content", "settings"),
        [
            (encoded(grey([0, 1, 2])), config(mask_values={0: "rim", 1: "disc", 2: "ground"})),
            (encoded(grey([0, 1, 7])), config(ignore_value=7)),
            (encoded(grey([0, 255]).convert("1")), config()),
            (encoded(grey([0, 1]).convert("P")), config()),
            (encoded(grey([0, 1]).convert("RGB")), config()),
            (imagecodecs.png_encode(np.array([[0, 1]], np.uint16)), config()),
            (encoded(grey([0, 1]), "BMP"), config()),
        ],
        ids=["other ids", "ignore value", "1 bit", "palette", "rgb", "16 bits", "bmp"],
    )
    def test_anything_else_is_written_anew(self, content, settings):
        assert load_mask(content, "x", settings).encoded != content
        ids_of(content, settings)


IDS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
MANY = config([f"c{i}" for i in range(255)])


@given(
    IDS,
    st.sampled_from(["PNG", "TIFF", "BMP"]),
    st.sampled_from(["L", "P", "RGB", "RGBA", "LA", "I;16"]),
    st.integers(1, 8),
)
@settings(max_examples=300)
def test_ids_come_back_from_every_format(ids, kind, mode, orientation):
    if mode == "I;16":
        picture, kind = Image.fromarray(ids.astype(np.uint16)), "PNG"
    elif mode == "P":
        picture = Image.fromarray(ids, mode="P")
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    else:
        picture = Image.fromarray(ids).convert(mode)
    if kind == "BMP" and mode in ("LA", "RGBA"):
        picture = picture.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if kind in ("PNG", "TIFF") else {}
    mask = load_mask(encoded(picture, kind, **options), "x", MANY)
    turned = {
        1: ids, 2: ids[:, ::-1], 3: ids[::-1, ::-1], 4: ids[::-1],
        5: ids.T, 6: np.rot90(ids, -1), 7: ids[::-1, ::-1].T, 8: np.rot90(ids),
    }  # fmt: skip
    expected = turned[orientation] if options else ids
    np.testing.assert_array_equal(mask.class_ids, expected)
    assert mask.values == tuple(np.unique(ids).tolist())
    np.testing.assert_array_equal(tf.io.decode_png(mask.encoded)[..., 0], expected)


@given(
    hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 4)
    ),
    st.lists(st.integers(0, 0xFFFFFF), min_size=5, max_size=5, unique=True),
)
@settings(max_examples=100)
def test_any_colour_table_is_undone(ids, colours):
    names = [f"c{i}" for i in range(4)]
    table = [f"#{colour:06X}" for colour in colours]
    settings = config(
        names, mask_values=dict(zip(table, names, strict=False)), ignore_value=table[4]
    )
    palette = np.array([tuple(colour.to_bytes(3, "big")) for colour in colours], np.uint8)
    found = ids_of(encoded(Image.fromarray(palette[ids])), settings)
    np.testing.assert_array_equal(found, np.where(ids == 4, 255, ids))


def disc():
    """Makes a mask of a disc, with the values 0 and 255."""
    across, down = np.meshgrid(np.arange(60), np.arange(60))
    return Image.fromarray(
        np.where((across - 30) ** 2 + (down - 30) ** 2 < 400, 255, 0).astype("u1")
    )


SMOOTHED = {
    "resized": disc().resize((41, 41), Image.Resampling.BILINEAR),
    "was a JPEG": Image.open(io.BytesIO(encoded(disc(), "JPEG"))),
}


@pytest.mark.parametrize("picture", SMOOTHED.values(), ids=SMOOTHED)
@pytest.mark.parametrize("mask_values", [{}, {0: "ground", 255: "disc"}], ids=["ids", "0/255"])
def test_a_smoothed_mask_is_refused_with_advice_on_the_export(picture, mask_values):
    error = refusal(encoded(picture), config(mask_values=mask_values))
    assert error.kind == "value_without_class"
    assert "resized with interpolation, export them again with nearest" in error.reason
