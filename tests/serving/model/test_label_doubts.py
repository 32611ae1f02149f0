import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from serving.model.label_doubts import label_doubts, label_quality


def doubts_of(truth, expected, confidence=0.9, given_probability=0.1):
    """Compares a mask with a model that expects another one everywhere with one probability."""
    truth, expected = np.asarray(truth, np.uint8), np.asarray(expected, np.int32)
    sure = np.full(truth.shape, confidence, np.float32)
    unlikely = np.where(truth == expected, sure, np.float32(given_probability))
    return label_doubts(truth, tf.constant(expected), sure, unlikely).numpy()


def test_the_quality_by_hand():
    # Weights exp(2), exp(0): (0.2 · 7.389 + 0.4) / 8.389
    truth = np.array([[0, 1, 255]], np.uint8)
    quality = label_quality(truth, np.array([[0.2, 0.4, 0.01]], np.float32))
    assert float(quality) == pytest.approx(0.223841, abs=1e-6)
    assert float(label_quality(np.full((2, 3), 255, np.uint8), np.zeros((2, 3), np.float32))) == 1


def test_a_region_with_the_confidence_in_it():
    expected = np.zeros((10, 12), np.uint8)
    expected[2:6, 3:8] = 2
    doubts = doubts_of(np.zeros_like(expected), expected)
    np.testing.assert_array_equal(doubts[..., 0], np.where(expected == 2, 2, 255))
    np.testing.assert_array_equal(doubts[..., 1], np.where(expected == 2, round(0.9 * 255), 0))


@pytest.mark.parametrize(("width", "found"), [(1, 0), (2, 0), (3, 30)])
def test_an_outline_that_differs_by_two_pixels_is_left_out(width, found):
    expected, drawn = np.zeros((2, 10, 10), np.uint8)
    expected[:, 4:] = 1
    drawn[:, 4 + width :] = 1
    assert (doubts_of(drawn, expected)[..., 0] == 1).sum() == found


@pytest.mark.parametrize(
    ("confidence", "given_probability", "found"),
    [(0.55, 0.1, 0), (0.61, 0.1, 9), (0.61, 0.25, 0)],
)
def test_an_unsure_model_marks_nothing(confidence, given_probability, found):
    truth, expected = np.zeros((3, 3), np.uint8), np.ones((3, 3), np.uint8)
    doubts = doubts_of(truth, expected, confidence, given_probability)
    assert (doubts[..., 0] != 255).sum() == found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_regions_are_openings_of_each_class(data):
    shape = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    ids = st.sampled_from([0, 0, 0, 1, 254])
    drawn = data.draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 255])))
    expected = data.draw(arrays(np.uint8, shape, elements=ids))
    found = doubts_of(drawn, expected)[..., 0]
    wanted = np.full(shape, 255, np.uint8)
    for class_id in (0, 1, 254):
        area = (expected == class_id) & (drawn != class_id) & (drawn != 255)
        wanted[ndimage.binary_opening(area, np.ones((3, 3)))] = class_id
    np.testing.assert_array_equal(found, wanted)
