import numpy as np
import pytest

from serving.overlay import Row, colour, overlay, sheet

IGNORE = 255


def test_neighbouring_classes_have_different_colours_and_ignored_pixels_are_grey():
    colours = [colour(class_id) for class_id in range(7)]
    assert len(set(colours)) == 7
    assert colour(7) == colour(0)
    assert colour(IGNORE) == (128, 128, 128)
    assert colour(IGNORE) not in colours


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


def rows(count, height=50, width=40):
    image = np.full((height, width, 3), 255, np.uint8)
    mask = np.ones((height, width), np.uint8)
    return [Row(f"image {i}", image, [mask, mask * 0]) for i in range(count)]


def test_a_sheet_grows_by_one_equal_row_for_each_image():
    sizes = [
        np.asarray(sheet(["image", "truth", "prediction"], rows(n), ["a", "b"])).shape
        for n in range(3)
    ]
    assert len({width for _, width, _ in sizes}) == 1
    assert sizes[2][0] - sizes[1][0] == sizes[1][0] - sizes[0][0] > 224
    assert sizes[0][1] > 3 * 224


def test_a_sheet_shows_images_masks_and_a_legend_in_their_colours():
    page = sheet(["image", "truth", "prediction"], rows(1, 224, 224), ["a", "b"])
    pixels = np.asarray(page).reshape(-1, 3)
    image = np.full((224, 224, 3), 255, np.uint8)
    for class_id in (0, 1):
        blended = np.asarray(overlay(image, np.full((224, 224), class_id, np.uint8)))[0, 0]
        assert (pixels == blended).all(1).sum() >= 224 * 224
        assert (pixels == colour(class_id)).all(1).sum() >= 100
    assert not (pixels == colour(2)).all(1).any()


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (1, 1)], ids=str)
def test_images_of_any_shape_fit_their_cell(size):
    columns = ["image", "truth", "prediction"]
    assert sheet(columns, rows(1, *size), ["a"]).size == sheet(columns, rows(1), ["a"]).size
