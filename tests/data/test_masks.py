import io

import numpy as np
import pytest
import yaml
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from data.masks import load_mask, mask_values_line


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
    with pytest.raises(InputError) as caught:
        load_mask(content, "masks/1.png", settings)
    message = str(caught.value)
    assert message.startswith("masks/1.png: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_ids_are_read_as_they_are_and_255_is_ignored(kind):
    mask = load_mask(encoded(grey([0, 1, 2], [2, 255, 0]), kind), "x", config())
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [[0, 1, 2], [2, 255, 0]])


def test_mask_values_map_pixel_values_to_classes():
    settings = config(mask_values={0: "disc", 255: "ground"})
    mask = load_mask(encoded(grey([0, 255, 255])), "x", settings)
    np.testing.assert_array_equal(mask, [[1, 0, 0]])


def test_another_ignore_value_is_stored_as_255():
    settings = config(mask_values={10: "ground", 20: "disc"}, ignore_value=0)
    mask = load_mask(encoded(grey([0, 10, 20])), "x", settings)
    np.testing.assert_array_equal(mask, [[255, 0, 1]])


def test_without_ignore_value_255_has_no_class():
    assert "no class for the pixel value 255." in refusal(
        encoded(grey([0, 1, 255])), config(ignore_value=None)
    )


def test_palette_ids_count_and_not_their_colours():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    image.putpalette([200, 200, 200, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(load_mask(encoded(image), "x", config()), [[0, 1], [2, 1]])


def test_one_bit_masks_are_0_and_255_as_every_viewer_shows_them():
    content = encoded(grey([0, 255], [255, 255]).convert("1"))
    settings = config(mask_values={0: "ground", 255: "disc"})
    np.testing.assert_array_equal(load_mask(content, "x", settings), [[0, 1], [1, 1]])


@pytest.mark.parametrize("values", [[0, 255], [255, 255]], ids=["both", "only 255"])
def test_a_0_255_mask_without_mask_values_is_told_the_very_line(values):
    settings = config(["cell", "membrane"], ignore_value=None)
    message = refusal(encoded(grey(values)), settings)
    line = "mask_values: {0: cell, 255: membrane}"
    assert line in message
    mended = config(["cell", "membrane"], ignore_value=None, **yaml.safe_load(line))
    expected = [[0 if value == 0 else 1 for value in values]]
    np.testing.assert_array_equal(load_mask(encoded(grey(values)), "x", mended), expected)


def test_mask_values_line_names_the_first_two_classes():
    assert mask_values_line(["a", "b", "c"]) == "mask_values: {0: a, 255: b}"


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        (
            [0, 1, 7],
            config(),
            "no class for the pixel value 7. Expected 0 to 2, the ids of ['ground', 'disc', 'rim']",
        ),
        ([3, 7, 9], config(), "no class for the pixel values 3, 7, 9. Expected"),
        (
            [0, 128],
            config(mask_values={0: "ground"}),
            "no class for the pixel value 128. Give each a class in data.mask_values",
        ),
        (list(range(3, 20)), config(), "no class for the pixel values 3, 4, 5, 6, 7, 8, 9, 10, …."),
    ],
    ids=["one", "several", "with mask_values", "many"],
)
def test_stray_values_are_named(values, settings, expected):
    assert expected in refusal(encoded(grey(values)), settings)


def test_an_rgb_mask_is_refused():
    assert "mode RGB" in refusal(encoded(grey([0, 1]).convert("RGB")), config())


def test_a_16_bit_mask_is_refused():
    content = encoded(Image.fromarray(np.array([[0, 1]], np.uint16)))
    assert "expected 8 bits a channel" in refusal(content, config())


def test_a_jpeg_mask_is_refused_whatever_its_suffix():
    assert "a JPEG mask" in refusal(encoded(grey([0, 0], [0, 0]), "JPEG"), config())


def test_a_truncated_mask_is_refused():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 3, (99, 99), np.uint8))
    assert "cannot be read as an image" in refusal(encoded(noise)[:900], config())


def test_a_mask_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    content = encoded(grey([0, 1, 2], [2, 2, 255]), exif=exif)
    expected = [[2, 0], [2, 1], [255, 2]]
    np.testing.assert_array_equal(load_mask(content, "x", config()), expected)
