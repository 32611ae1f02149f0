import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data.config import CropView
from data.input_pipeline.crops import BLACK, cut, random_corner, tiles
from tests.data.input_pipeline.conftest import FEW, HOW, masks


@HOW
@pytest.mark.parametrize(
    ("corner", "size", "expected"),
    [
        ((0, 1), (2, 2), [[2, 3], [5, 6]]),
        ((0, 0), (3, 4), [[1, 2, 3, 9], [4, 5, 6, 9], [9, 9, 9, 9]]),
        ((-1, 2), (2, 3), [[9, 9, 9], [3, 9, 9]]),
        ((1, -2), (1, 3), [[9, 9, 4]]),
        ((-1, -1), (4, 5), [[9] * 5, [9, 1, 2, 3, 9], [9, 4, 5, 6, 9], [9] * 5]),
    ],
)
def test_cut_by_hand(apply, corner, size, expected):
    cutter = lambda pixels, _: cut(pixels, corner, *size, 9)  # noqa: E731
    mask = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    found = apply(cutter, mask, None)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    channels = apply(cutter, np.stack([mask, 10 * mask], -1), None)
    np.testing.assert_array_equal(channels[..., 0], expected)
    np.testing.assert_array_equal(channels[..., 1] // 10, np.array(expected) % 9)


def test_cut_has_a_static_shape_in_tf_data():
    cutter = lambda image: cut(image, tf.shape(image)[:2] - 3, 16, 24, 0)  # noqa: E731
    dataset = tf.data.Dataset.from_generator(
        lambda: [np.zeros((4, 5, 3), np.uint8)],
        output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
    )
    assert dataset.map(cutter).element_spec.shape == (16, 24, 3)


CROP = CropView(kind="crop", height=16, width=24)


def places(height, width):
    """Makes an image whose red is the row, green the column, and blue 1."""
    rows, columns = np.indices((height, width))
    return np.stack([rows, columns, np.ones_like(rows)], -1).astype(np.uint8)


def mask_of(image):
    """Makes a mask for an image of `places`, with a label that depends on the pixel's place."""
    return (image[..., 0] * 3 + image[..., 1] * 5) % 200


@HOW
@FEW
@given(height=st.integers(1, 70), width=st.integers(1, 100))
def test_tiles_cover_every_pixel_once_and_pad_with_black_to_be_ignored(apply, height, width):
    image = places(height, width)
    mask = mask_of(image)
    images, masks = apply(lambda image, view: tiles(image, mask_of(image), view), image, CROP)
    assert (images.dtype, masks.dtype) == (np.uint8, np.uint8)
    count = -(-height // 16) * -(-width // 24)
    assert (images.shape, masks.shape) == ((count, 16, 24, 3), (count, 16, 24))
    inside = images[..., 2] == 1
    pixels = images[inside]
    assert len(pixels) == height * width
    assert len(np.unique(pixels, axis=0)) == height * width
    np.testing.assert_array_equal(masks[inside], mask[pixels[:, 0], pixels[:, 1]])
    assert not images[~inside].any()
    assert (masks[~inside] == 255).all()


def test_tiles_run_row_by_row():
    image = places(32, 72)
    images, _ = tiles(tf.constant(image), tf.constant(image[..., 0]), CROP)
    corners = [(0, 0), (0, 24), (0, 48), (16, 0), (16, 24), (16, 48)]
    assert [tuple(tile[0, 0, :2].tolist()) for tile in images.numpy()] == corners


@HOW
@pytest.mark.parametrize("size", [(40, 70), (10, 70), (10, 20)])
@pytest.mark.parametrize("class_aware", [0.0, 1.0])
def test_a_crop_of_the_image_and_one_of_its_mask_are_of_one_place(apply, size, class_aware):
    def crop(image, view):
        mask = mask_of(image)
        corner = random_corner(mask, view, class_aware, tf.constant([5, 7]))
        window = (corner, view.height, view.width)
        return cut(image, *window, BLACK), cut(mask, *window, 255)

    image, mask = apply(crop, places(*size), CROP)
    inside = image[..., 2] == 1
    assert inside.sum() == min(size[0], 16) * min(size[1], 24)
    np.testing.assert_array_equal(mask, np.where(inside, mask_of(image), 255))


def corners(mask, class_aware, count):
    seeds = tf.data.Dataset.from_tensor_slices([(seed, 7) for seed in range(count)])
    place = lambda seed: random_corner(tf.constant(mask), CROP, class_aware, seed)  # noqa: E731
    return np.array(list(seeds.map(place).as_numpy_iterator()))


@FEW
@given(
    mask=masks(st.integers(1, 60), st.integers(1, 60)),
    class_aware=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_crop_lies_in_the_image_or_holds_all_of_it(mask, class_aware, seed):
    seed = tf.constant([seed, 0])
    corner = random_corner(tf.constant(mask), CROP, class_aware, seed).numpy()
    assert corner.dtype == np.int32
    for start, side, whole in zip(corner, (16, 24), mask.shape, strict=True):
        assert 0 <= start <= max(whole - side, 0)
    crop = cut(tf.constant(mask), corner, 16, 24, 255).numpy()
    assert set(crop.ravel().tolist()) <= {*mask.ravel().tolist(), 255}
    labels = set(mask.ravel().tolist()) - {255}
    if class_aware == 1 and labels:
        assert labels & set(crop.ravel().tolist())


def test_crops_lie_everywhere_with_the_same_chance():
    found = corners(np.zeros((17, 26), np.uint8), 0.0, 1200)
    chances = np.unique(found, axis=0, return_counts=True)
    assert chances[0].tolist() == [[row, column] for row in range(2) for column in range(3)]
    assert (abs(chances[1] - 200) < 50).all()  # 200 ± 3.9 standard deviations


@pytest.mark.parametrize("pixel", [(0, 0), (60, 90), (99, 149)])
def test_class_aware_crops_find_the_rare_class(pixel):
    mask = np.zeros((100, 150), np.uint8)
    mask[50:, :] = 255  # ignored, so not a class
    mask[pixel] = 3
    hits = {}
    for share in (0.0, 0.5, 1.0):
        found = corners(mask, share, 400)
        inside = (found <= pixel).all(1) & (np.array(pixel) < found + np.array([16, 24])).all(1)
        hits[share] = inside.mean()
    # Each of two classes is drawn half of the time.
    assert hits[0.0] < 0.08
    assert hits[0.5] == pytest.approx(0.25, abs=0.1)
    assert hits[1.0] == pytest.approx(0.5, abs=0.12)


def test_a_class_aware_crop_has_its_pixel_anywhere():
    mask = np.full((100, 150), 255, np.uint8)
    mask[50, 80] = 0
    offsets = np.array([50, 80]) - corners(mask, 1.0, 600)
    assert offsets.min(0).tolist() == [0, 0]
    assert offsets.max(0).tolist() == [15, 23]


def test_a_mask_without_labels_is_cropped_anywhere():
    found = corners(np.full((100, 150), 255, np.uint8), 1.0, 50)
    assert len(np.unique(found, axis=0)) > 40
