import io
import itertools

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.rasters.masks import load_mask
from serving.overlay import errors, layer, overlay, palette_mask
from serving.palette import colour

IGNORE = 255


def test_an_overlay_blends_image_and_colour():
    image = np.full((2, 3, 3), 100, np.uint8)
    class_ids = np.array([[0, 1, 2], [255, 0, 0]], np.uint8)
    blended = np.asarray(overlay(image, class_ids, opacity=0.25))
    assert blended.shape == (2, 3, 3)
    for place, class_id in np.ndenumerate(class_ids):
        expected = 0.75 * 100 + 0.25 * np.array(colour(class_id))
        np.testing.assert_allclose(blended[place], expected, atol=0.5)


@pytest.mark.parametrize(("opacity", "shows"), [(0.0, "image"), (1.0, "mask")])
def test_opacity_goes_from_the_image_to_the_mask(opacity, shows):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    class_ids = np.ones((4, 5), np.uint8)
    expected = image if shows == "image" else np.broadcast_to(colour(1), (4, 5, 3))
    np.testing.assert_array_equal(np.asarray(overlay(image, class_ids, opacity)), expected)


def test_a_large_overlay_is_blended_like_a_small_one():
    image = np.random.default_rng(0).integers(0, 256, (1050, 1000, 3), np.uint8)
    class_ids = image[..., 0] % 3
    blended = np.asarray(overlay(image, class_ids))
    for top in (0, 1045):
        part = slice(top, top + 5)
        small = np.asarray(overlay(image[part], class_ids[part]))
        np.testing.assert_array_equal(blended[part], small)


@pytest.mark.parametrize("num_classes", [2, 3, 5, 17, 254])
def test_a_palette_mask_holds_class_ids_and_shows_colours(num_classes):
    class_ids = np.arange(3 * 97, dtype=np.uint8).reshape(3, 97) % num_classes
    file = io.BytesIO()
    palette_mask(class_ids, num_classes).save(file, "PNG")
    mask = Image.open(file)
    np.testing.assert_array_equal(np.asarray(mask), class_ids)
    shown = np.asarray(mask.convert("RGB"))
    for place, class_id in np.ndenumerate(class_ids):
        assert tuple(shown[place]) == colour(class_id)
    data = DataConfig.model_validate(
        {
            "source": {"kind": "folder", "path": "x"},
            "classes": [f"class_{number}" for number in range(num_classes)],
        }
    )
    read = load_mask(file.getvalue(), "mask.png", data)
    np.testing.assert_array_equal(read.class_ids, class_ids)


def test_a_layer_has_the_classes_colours_and_a_pattern_for_each():
    layers = [np.asarray(layer(np.full((24, 24), class_id, np.uint8))) for class_id in range(4)]
    for class_id, drawn in enumerate(layers):
        assert (drawn[..., :3] == colour(class_id)).all()
    opacities = [drawn[..., 3] for drawn in layers]
    assert len(set(opacities[0].ravel())) == 1
    for one, two in itertools.combinations(opacities, 2):
        assert (one != two).any()


def test_errors_are_drawn_where_a_labelled_pixel_is_wrong_and_nowhere_else():
    truth = np.array([[0, 1, IGNORE], [2, 2, 2]], np.uint8)
    predicted = np.array([[0, 0, 0], [2, 1, 2]], np.uint8)
    drawn = np.asarray(errors(truth, predicted))
    assert drawn[..., 3].tolist() == [[0, 255, 0], [0, 255, 0]]
