import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.config import Augmentation
from data.input_pipeline.augmentation import augment, reach

SIZE = (37, 52)
EVERYTHING = Augmentation(
    flip="both",
    rotation=40,
    scale=0.3,
    translation=0.2,
    brightness=0.3,
    contrast=0.5,
    saturation=0.5,
    hue=0.2,
)
MOVES = {
    "horizontal": Augmentation(flip="horizontal"),
    "vertical": Augmentation(flip="vertical"),
    "both": Augmentation(flip="both"),
    "rotation": Augmentation(rotation=25),
    "any rotation": Augmentation(rotation=180),
    "scale": Augmentation(scale=0.4),
    "translation": Augmentation(translation=0.3),
    "all moves": Augmentation(flip="both", rotation=180, scale=0.3, translation=0.1),
}


def eagerly(image, mask, augmentation, size, seeds):
    for seed in seeds:
        moved = augment(
            tf.constant(image), tf.constant(mask), tf.constant([seed, 1]), augmentation, *size
        )
        yield tuple(tensor.numpy() for tensor in moved)


def in_tf_data(image, mask, augmentation, size, seeds):
    pairs = [(seed, 1) for seed in seeds]
    yield from (
        tf.data.Dataset.from_tensor_slices(pairs)
        .map(
            lambda seed: augment(tf.constant(image), tf.constant(mask), seed, augmentation, *size),
            num_parallel_calls=2,
        )
        .as_numpy_iterator()
    )


HOW = pytest.mark.parametrize("apply", [eagerly, in_tf_data])


def class_picture(class_ids):
    """Draws a mask in one colour per class; no mixture of two colours is the colour of a class."""
    ids = class_ids.astype(np.uint8)
    return np.stack([40 * ids, 8 * ids**2, 0 * ids], -1)


def read_class_picture(image):
    """Returns class ids, and a mask of the pixels whose colour is no mixture."""
    ids = np.rint(image[..., 0] / 40)
    pure = (abs(image[..., 0] - 40 * ids) < 0.2) & (abs(image[..., 1] - 8 * ids**2) < 0.2)
    return ids, pure


def blocks(height, width, seed=0):
    """Makes a mask of unequal rectangles of the classes 1 to 5, which every move changes."""
    ids = np.random.default_rng(seed).integers(1, 6, (1 + height // 6, 1 + width // 9))
    return np.kron(ids, np.ones((6, 9), int))[:height, :width].astype(np.uint8)


@HOW
@pytest.mark.parametrize("augmentation", MOVES.values(), ids=MOVES)
def test_the_mask_moves_with_the_image(apply, augmentation):
    mask = blocks(*SIZE)
    unmoved = 0
    for image, moved in apply(class_picture(mask), mask, augmentation, SIZE, range(20)):
        assert (image.shape, moved.shape) == ((*SIZE, 3), SIZE)
        seen, pure = read_class_picture(image)
        assert pure.mean() > 0.6
        expected = np.where(seen == 0, 255, seen)  # black pixels are outside the image
        np.testing.assert_array_equal(moved[pure], expected[pure])
        unmoved += np.array_equal(moved, mask)
    assert unmoved < 20


@HOW
@pytest.mark.parametrize(
    ("flip", "outcomes"), [("horizontal", ["", "x"]), ("both", ["", "x", "y", "xy"])]
)
def test_flips_are_exact_and_each_comes_up(apply, flip, outcomes):
    mask = blocks(*SIZE)
    picture = class_picture(mask)
    flipped = {
        "": np.s_[:, :], "x": np.s_[:, ::-1], "y": np.s_[::-1], "xy": np.s_[::-1, ::-1]
    }  # fmt: skip
    found = set()
    for image, moved in apply(picture, mask, Augmentation(flip=flip), SIZE, range(40)):
        (which,) = (name for name, at in flipped.items() if np.array_equal(moved, mask[at]))
        np.testing.assert_array_equal(image, picture[flipped[which]])
        found.add(which)
    assert sorted(found) == sorted(outcomes)


def spot_places(augmentation, count=40):
    """Yields the position, relative to the middle, to which a spot 20 pixels right of it moves."""
    mask = np.zeros((101, 101), np.uint8)
    mask[48:53, 68:73] = 1
    for image, moved in in_tf_data(
        class_picture(mask), mask, augmentation, (101, 101), range(count)
    ):
        rows, columns = np.nonzero(moved == 1)
        rows_seen, columns_seen = np.nonzero(image[..., 0] > 20)
        assert rows.mean() == pytest.approx(rows_seen.mean(), abs=0.5)
        assert columns.mean() == pytest.approx(columns_seen.mean(), abs=0.5)
        yield columns.mean() - 50, rows.mean() - 50


def test_rotation_is_in_degrees_either_way_around_the_middle():
    places = list(spot_places(Augmentation(rotation=30)))
    angles = [math.degrees(math.atan2(down, right)) for right, down in places]
    assert -32 < min(angles) < -20
    assert 20 < max(angles) < 32
    for place in places:
        assert math.hypot(*place) == pytest.approx(20, abs=0.7)


def test_scale_magnifies_and_shrinks_around_the_middle():
    places = list(spot_places(Augmentation(scale=0.4)))
    assert 11 < min(right for right, _ in places) < 15
    assert 25 < max(right for right, _ in places) < 29
    assert max(abs(down) for _, down in places) < 0.7


def test_translation_is_a_share_of_the_side_any_way():
    places = np.array(list(spot_places(Augmentation(translation=0.2)))) - (20, 0)
    assert (abs(places) < 20.2 + 0.7).all()
    assert (places.min(0) < -12).all()
    assert (places.max(0) > 12).all()


@pytest.mark.parametrize(
    ("augmentation", "size", "expected"),
    [
        (Augmentation(), (20, 30), (20, 30)),
        (EVERYTHING.model_copy(update={"rotation": 0, "scale": 0}), (20, 31), (20, 31)),
        (Augmentation(scale=0.5), (20, 31), (40, 63)),
        (Augmentation(rotation=90), (30, 40), (50, 50)),  # the diagonal of 3, 4, 5
        (Augmentation(rotation=30), (100, 100), (138, 138)),  # 100 (cos 30° + sin 30°) = 136.6
    ],
)
def test_reach_by_hand(augmentation, size, expected):
    assert reach(augmentation, *size) == expected


@pytest.mark.parametrize("augmentation", [EVERYTHING, *MOVES.values()])
def test_within_reach_nothing_moves_in_from_outside(augmentation):
    augmentation = augmentation.model_copy(update={"translation": 0.0})
    window = reach(augmentation, *SIZE)
    mask = blocks(*window)
    for _, moved in in_tf_data(class_picture(mask), mask, augmentation, SIZE, range(30)):
        assert moved.shape == SIZE
        assert (moved != 255).all()


def test_the_result_is_the_middle_of_the_window():
    mask = blocks(41, 60)
    ((image, moved),) = eagerly(
        class_picture(mask), mask, Augmentation(rotation=1e-6), (37, 52), [3]
    )
    np.testing.assert_array_equal(moved, mask[2:-2, 4:-4])
    np.testing.assert_allclose(image, class_picture(mask)[2:-2, 4:-4], atol=0.01)


@HOW
def test_one_seed_makes_one_change_and_another_seed_another(apply):
    mask = blocks(*SIZE)
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    one, two, other = apply(image, mask, EVERYTHING, SIZE, [4, 4, 5])
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != other[0]).any()
    assert (one[1] != other[1]).any()


def test_off_by_default():
    mask = blocks(*SIZE)
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    ((same, same_mask),) = eagerly(image, mask, Augmentation(), SIZE, [1])
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(same_mask, mask)


LABELS = st.sampled_from([0, 1, 2, 254, 255])


@settings(max_examples=60)
@given(
    mask=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 30)] * 2), elements=LABELS),
    size=st.tuples(*[st.integers(1, 30)] * 2),
    augmentation=st.builds(
        Augmentation,
        flip=st.sampled_from(["none", "horizontal", "vertical", "both"]),
        rotation=st.floats(0, 180),
        scale=st.floats(0, 0.5),
        translation=st.floats(0, 0.5),
        brightness=st.floats(0, 1),
        contrast=st.floats(0, 1),
        saturation=st.floats(0, 1),
        hue=st.floats(0, 0.5),
    ),
    seed=st.integers(0, 2**31 - 1),
)
def test_no_new_label_and_no_colour_out_of_range(mask, size, augmentation, seed):
    size = size if augmentation.moves else mask.shape
    image = np.random.default_rng(seed).choice([0, 1, 128, 255], (*mask.shape, 3)).astype(np.uint8)
    ((changed, moved),) = eagerly(image, mask, augmentation, size, [seed])
    assert (moved.dtype, moved.shape) == (np.uint8, size)
    assert set(moved.ravel().tolist()) <= {*mask.ravel().tolist(), 255}
    assert (changed.dtype, changed.shape) == (np.float32, (*size, 3))
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3


COLOURS = {
    name: Augmentation(**{name: share})
    for name, share in [("brightness", 0.2), ("contrast", 0.5), ("saturation", 0.4), ("hue", 0.1)]
}


@HOW
@pytest.mark.parametrize("augmentation", COLOURS.values(), ids=COLOURS)
def test_colours_change_the_image_only(apply, augmentation):
    mask = blocks(*SIZE)
    picture = class_picture(mask)
    for image, unmoved in apply(picture, mask, augmentation, SIZE, range(10)):
        np.testing.assert_array_equal(unmoved, mask)
        assert (image != picture).any()


def recoloured(picture, **shares):
    """Yields an image after augmentation with each of 40 seeds."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for image, _ in in_tf_data(picture, mask, Augmentation(**shares), mask.shape, range(40)):
        yield image


def test_brightness_moves_all_pixels_by_one_amount():
    picture = np.random.default_rng(0).integers(60, 196, (8, 9, 3), np.uint8)
    moves = [image - picture for image in recoloured(picture, brightness=0.2)]
    assert max(np.ptp(move) for move in moves) < 1e-3
    assert -51.001 <= min(move[0, 0, 0] for move in moves) < -35  # 51 is 0.2 of 255
    assert 35 < max(move[0, 0, 0] for move in moves) <= 51.001


def test_contrast_stretches_around_the_mean():
    picture = np.random.default_rng(0).integers(100, 150, (8, 9, 3), np.uint8)
    deviation = picture - picture.mean((0, 1))
    factors = []
    for image in recoloured(picture, contrast=0.5):
        factors.append(((image - picture.mean((0, 1))) * deviation).sum() / (deviation**2).sum())
        np.testing.assert_allclose(image - picture.mean((0, 1)), factors[-1] * deviation, atol=1e-2)
    assert 0.5 <= min(factors) < 0.7
    assert 1.3 < max(factors) <= 1.5


def hsv(image):
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3) / 255.0])


def test_saturation_leaves_hue_and_value():
    picture = np.array([[[200, 100, 50], [90, 120, 100], [70, 70, 70]]], np.uint8)
    hue, saturation, value = hsv(picture).T
    factors = []
    for image in recoloured(picture, saturation=0.3):
        found = hsv(image)
        factors.append(found[0, 1] / saturation[0])
        np.testing.assert_allclose(found[:2, 0], hue[:2], atol=1e-3)
        np.testing.assert_allclose(found[:, 1], factors[-1] * saturation, atol=1e-3)
        np.testing.assert_allclose(found[:, 2], value, atol=1e-3)
    assert 0.7 <= min(factors) < 0.8
    assert 1.2 < max(factors) <= 1.301


def test_hue_turns_all_colours_by_one_angle_and_leaves_grey():
    picture = np.array([[[200, 100, 50], [90, 120, 100], [70, 70, 70]]], np.uint8)
    hue, saturation, value = hsv(picture).T
    turns = []
    for image in recoloured(picture, hue=0.1):
        found = hsv(image)
        turn = (found[:2, 0] - hue[:2] + 0.5) % 1 - 0.5
        turns.append(turn[0])
        np.testing.assert_allclose(turn, turn[0], atol=1e-3)
        np.testing.assert_allclose(found[:, 1:], np.stack([saturation, value], 1), atol=1e-3)
    assert -0.101 <= min(turns) < -0.06
    assert 0.06 < max(turns) <= 0.101
