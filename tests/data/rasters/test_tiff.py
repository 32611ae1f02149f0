import io
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from data.config import DataConfig
from data.errors import PairError
from data.examples.parsing import decode_image
from data.rasters.images import load_image
from data.rasters.masks import load_mask

DATA = DataConfig.model_validate(
    {
        "source": {"kind": "folder", "path": "x"},
        "classes": [f"c{i}" for i in range(255)],
    }
)
ACROSS, DOWN = np.meshgrid(np.arange(0, 240, 5), np.arange(0, 160, 5))
SMOOTH = np.stack([ACROSS, DOWN, np.full((32, 48), 90)], -1).astype(np.uint8)
GREY = SMOOTH[..., 0]
DEEP = np.random.default_rng(0).integers(0, 65536, (32, 48, 3), np.uint16)


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.ascontiguousarray(pixels), **options)
    return buffer.getvalue()


def pillow_tiff(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def one_file_of_an_ome_set():
    """Makes a TIFF file whose OME description lists a plane in a second file."""
    planes = "".join(
        f'<TiffData IFD="0" FirstC="{i}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{i}</UUID>'
        "</TiffData>"
        for i, name in enumerate(["this.tif", "other.tif"])
    )
    description = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:0"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint8" SizeX="48" SizeY="32" SizeC="2" SizeZ="1" SizeT="1">'
        f'<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>{planes}</Pixels></Image></OME>'
    )
    return tiff(GREY, description=description, metadata=None)


def pages(*pictures, **common):
    """Makes a TIFF file with several pages, each given by pixels and options."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pixels, options in pictures:
            writer.write(np.ascontiguousarray(pixels), **common, **options)
    return buffer.getvalue()


def refusal(content, load=load_image, data=DATA):
    with pytest.raises(PairError) as caught:
        load(content, "some/where.tif", data)
    assert str(caught.value) == f"some/where.tif: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value


def check_loads_as(content, pixels, tolerance=0):
    image = load_image(content, "x", DATA)
    np.testing.assert_allclose(image.pixels.astype(int), pixels, atol=tolerance)
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)


@pytest.mark.parametrize("planar", [False, True], ids=["", "planar"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 5}, {"tile": (16, 32)}], ids=str)
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "zstd"])
@pytest.mark.parametrize("pixels", [SMOOTH, DEEP], ids=["8 bits", "16 bits"])
def test_colour_in_every_layout_and_compression(pixels, compression, layout, planar):
    stored = np.moveaxis(pixels, -1, 0) if planar else pixels
    content = tiff(
        stored,
        photometric="rgb",
        planarconfig="separate" if planar else "contig",
        compression=compression,
        predictor=compression in ("lzw", "deflate"),
        **layout,
    )
    check_loads_as(content, pixels if pixels is SMOOTH else DEEP // 256)


GREY_16 = DEEP[..., 0]
COLOUR_MAP = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16)
FOURTH = np.concatenate([SMOOTH, SMOOTH[..., :1]], -1)
BLACK_AND_WHITE = GREY > 99
KINDS = {
    "grey": (tiff(GREY), GREY),
    "16-bit grey": (tiff(GREY_16), GREY_16 // 256),
    "16-bit grey, big endian": (tiff(GREY_16, byteorder=">"), GREY_16 // 256),
    "BigTIFF": (tiff(GREY, bigtiff=True), GREY),
    "white is 0": (tiff(GREY, photometric="miniswhite"), 255 - GREY),
    "white is 0, 16 bits": (tiff(GREY_16, photometric="miniswhite"), (65535 - GREY_16) // 256),
    "1 bit": (tiff(BLACK_AND_WHITE, photometric="minisblack"), BLACK_AND_WHITE * 255),
    "1 bit, white is 0": (tiff(~BLACK_AND_WHITE, photometric="miniswhite"), BLACK_AND_WHITE * 255),
    "fax": (
        pillow_tiff(Image.fromarray(BLACK_AND_WHITE), compression="group4"),
        BLACK_AND_WHITE * 255,
    ),
    "palette": (
        tiff(GREY, photometric="palette", colormap=COLOUR_MAP * 257),
        COLOUR_MAP.T[GREY],
    ),
    "grey and alpha": (pillow_tiff(Image.fromarray(SMOOTH).convert("LA")), None),
    "alpha": (tiff(FOURTH, photometric="rgb", extrasamples=["unassalpha"]), SMOOTH),
    "near infrared": (tiff(FOURTH, photometric="rgb", extrasamples=["unspecified"]), SMOOTH),
    "four bands that nobody named": (
        tiff(np.moveaxis(FOURTH, -1, 0), photometric="minisblack", planarconfig="separate"),
        SMOOTH,
    ),
    "cmyk": (pillow_tiff(Image.fromarray(SMOOTH).convert("CMYK")), SMOOTH),
    "one plane of ImageJ": (tiff(GREY, imagej=True), GREY),
    "one plane of OME": (tiff(GREY, ome=True), GREY),
    "one file of an OME set": (one_file_of_an_ome_set(), GREY),
}


@pytest.mark.parametrize(("content", "pixels"), KINDS.values(), ids=KINDS)
def test_every_kind_of_colour_is_shown_as_viewers_show_it(content, pixels):
    if pixels is None:
        pixels = np.asarray(Image.fromarray(SMOOTH).convert("L"))
    check_loads_as(content, pixels if pixels.ndim == 3 else np.stack([pixels] * 3, -1))


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_of_grey_are_widened(bits):
    levels = np.arange(2**bits, dtype=np.uint8)[np.newaxis].repeat(3, 0)
    content = tiff(levels, bitspersample=bits)
    white = 2**bits - 1
    check_loads_as(content, np.stack([levels * (255 // white)] * 3, -1))


def test_jpeg_in_a_tiff_has_its_own_colours():
    check_loads_as(tiff(SMOOTH, compression="jpeg", photometric="rgb"), SMOOTH, tolerance=8)
    subsampled = pillow_tiff(Image.fromarray(SMOOTH).convert("YCbCr"), compression="jpeg")
    check_loads_as(subsampled, SMOOTH, tolerance=12)


def test_a_range_holds_for_16_bits_of_tiff_too():
    data = DATA.model_copy(update={"intensity_range": (0, 4095)})
    image = load_image(tiff(np.array([[0, 2048, 4095, 9999]], np.uint16)), "x", data)
    assert image.pixels[0, :, 0].tolist() == [0, 128, 255, 255]
    assert image.max_sample == 9999
    eight = load_image(tiff(GREY), "x", data)
    np.testing.assert_array_equal(eight.pixels[..., 0], GREY)
    assert eight.max_sample is None


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([None, "lzw", "deflate"]),
    st.sampled_from([{}, {"rowsperstrip": 3}, {"tile": (16, 16)}]),
    st.sampled_from(["<", ">"]),
)
@settings(max_examples=100)
def test_masks_keep_their_ids(ids, dtype, compression, layout, byteorder):
    content = tiff(ids.astype(dtype), compression=compression, byteorder=byteorder, **layout)
    np.testing.assert_array_equal(load_mask(content, "x", DATA).class_ids, ids)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_of_a_palette_mask_the_ids_count(dtype):
    ids = np.array([[0, 1, 2], [2, 255, 0]], dtype)
    colours = np.zeros((3, np.iinfo(dtype).max + 1), np.uint16)
    content = tiff(ids, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(load_mask(content, "x", DATA).class_ids, ids)


def test_jpeg_in_a_tiff_is_a_jpeg_mask():
    assert refusal(tiff(GREY, compression="jpeg"), load_mask).kind == "jpeg_mask"


SMALLER = SMOOTH[::2, ::2]
ONE_PAGE = {
    "smaller copies in SubIFDs": pages(
        (SMOOTH, {"subifds": 1}), (SMALLER, {"subfiletype": 1}), photometric="rgb"
    ),
    "smaller copies that say so": pages(
        (SMOOTH, {}), (SMALLER[:7], {"subfiletype": 1}), photometric="rgb", metadata=None
    ),
    "levels of a pyramid": pages((SMOOTH, {}), (SMALLER, {}), photometric="rgb", metadata=None),
    "a thumbnail before it": pages(
        (SMALLER[:9], {"subfiletype": 1}), (SMOOTH, {}), photometric="rgb", metadata=None
    ),
    "a transparency mask": pages(
        (SMOOTH, {"photometric": "rgb"}), (BLACK_AND_WHITE, {"subfiletype": 4}), metadata=None
    ),
}


@pytest.mark.parametrize("content", ONE_PAGE.values(), ids=ONE_PAGE)
def test_smaller_copies_and_transparency_masks_are_no_pages(content):
    check_loads_as(content, SMOOTH)


SEVERAL = {
    "pages of one size": (tiff(np.stack([GREY] * 4), photometric="minisblack"), 4),
    "pages of two sizes": (pages((SMOOTH, {}), (SMOOTH[:9], {}), photometric="rgb"), 2),
    "planes of ImageJ": (tiff(np.stack([GREY] * 3), imagej=True), 3),
    "channels of OME": (
        tiff(np.stack([GREY] * 3), ome=True, photometric="minisblack", metadata={"axes": "CYX"}),
        3,
    ),
    "a volume": (tiff(np.zeros((16, 16, 16), np.uint8), volumetric=True, tile=(16, 16, 16)), 16),
}


@pytest.mark.parametrize(("content", "count"), SEVERAL.values(), ids=SEVERAL)
def test_several_pages_are_refused(content, count):
    error = refusal(content)
    assert error.kind == "image_format"
    assert error.reason.startswith(f"{count} pages or planes in one file, expected one. Save each")
    assert refusal(content, load_mask).kind == "mask_format"


UNSUPPORTED = {
    "float": (tiff(GREY.astype(np.float32)), "floating-point numbers of 32 bits, expected"),
    "signed": (tiff(GREY.astype(np.int16)), "signed integers of 16 bits, expected unsigned"),
    "32 bits": (tiff(GREY.astype(np.uint32)), "unsigned integers of 32 bits, expected"),
    "five bands": (
        tiff(np.moveaxis(DEEP[:, :5], -1, 0).repeat(2, 0)[:5], planarconfig="separate",
             photometric="minisblack"),
        "5 samples per pixel, expected 1 (grey) or 3 (RGB)",
    ),
    "CIELAB": (pillow_tiff(Image.fromarray(SMOOTH).convert("LAB")), "CIELAB, expected grey, RGB"),
    "YCbCr without JPEG": (
        pillow_tiff(Image.fromarray(SMOOTH).convert("YCbCr")),
        "YCBCR, expected grey, RGB",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_an_unsupported_file_is_refused_with_the_supported_kinds(content, words):
    image, mask = refusal(content), refusal(content, load_mask)
    assert (image.kind, mask.kind) == ("image_format", "mask_format")
    assert words in image.reason
    assert image.reason.endswith("Convert the image.")
    assert mask.reason.endswith("Convert the mask.")


def test_an_unknown_compression_is_named():
    content = bytearray(tiff(GREY, compression="lzw"))
    entry = struct.pack("<HHI", 259, 3, 1)  # the tag Compression, one short number
    content[content.index(entry) + 8 : content.index(entry) + 10] = struct.pack("<H", 60001)
    assert "the TIFF compression 60001, expected" in refusal(bytes(content)).reason


def test_size_is_read_from_the_tags():
    limit = DATA.model_copy(update={"max_pixels": 32 * 48 - 1})
    assert refusal(tiff(SMOOTH, photometric="rgb"), data=limit).kind == "too_large"
    exact = DATA.model_copy(update={"max_pixels": 32 * 48})
    assert load_image(tiff(SMOOTH, photometric="rgb"), "x", exact).pixels.shape == (32, 48, 3)
    huge_tile = tiff(np.zeros((16, 16), np.uint8), tile=(16, 1600), compression="deflate")
    assert refusal(huge_tile, data=limit).kind == "too_large"


@pytest.mark.parametrize("target", range(3))
def test_directories_in_a_circle_are_refused(target):
    content = bytearray(pages(*[(GREY, {})] * 3))
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        offsets = [page.offset for page in file.pages]
    entries = int.from_bytes(content[offsets[2] : offsets[2] + 2], "little")
    end = offsets[2] + 2 + 12 * entries
    content[end : end + 4] = offsets[target].to_bytes(4, "little")
    assert refusal(bytes(content)).kind == "unreadable"
