import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix

from serving.model.pixel_counts import (
    CALIBRATION_BINS,
    boundary_counts,
    calibration_counts,
    confusion_counts,
)

IGNORE = 255


def boundary(inside, distance):
    """Computes the boundary region pixel by pixel, in the simplest way."""
    height, width = inside.shape
    near = np.zeros_like(inside)
    for y, x in np.argwhere(inside):
        for v in range(y - distance, y + distance + 1):
            for u in range(x - distance, x + distance + 1):
                if not (0 <= v < height and 0 <= u < width and inside[v, u]):
                    near[y, x] = True
    return near


def as_tensors(truth, predicted):
    return tf.constant(truth, tf.uint8), tf.constant(predicted, tf.int32)


LABELS = hnp.arrays(np.uint8, (2, 6, 9), elements=st.integers(0, 2))
IGNORED = hnp.arrays(bool, (6, 9))


@given(labels=LABELS, ignored=IGNORED)
def test_confusion_is_scikit_learn_s(labels, ignored):
    truth, predicted = labels
    found = confusion_counts(*as_tensors(np.where(ignored, IGNORE, truth), predicted), 3)
    kept = truth[~ignored], predicted[~ignored]
    expected = confusion_matrix(*kept, labels=[0, 1, 2]) if kept[0].size else np.zeros((3, 3))
    np.testing.assert_array_equal(found, expected)


@given(labels=LABELS, ignored=IGNORED)
def test_boundaries_are_what_a_plain_search_finds(labels, ignored):
    truth, predicted = labels
    found = boundary_counts(*as_tensors(np.where(ignored, IGNORE, truth), predicted), 3)
    for class_id in range(3):
        # 2 % of the diagonal is less than a pixel, so the distance is one pixel.
        one = boundary((truth == class_id) & ~ignored, 1)
        two = boundary((predicted == class_id) & ~ignored, 1)
        assert found[class_id].numpy().tolist() == [(one & two).sum(), (one | two).sum()]


def test_a_hand_computed_boundary():
    """A square of 6 pixels, shifted by one: its boundary is a ring one pixel wide."""
    truth, predicted = np.zeros((2, 10, 10), np.uint8)
    truth[2:8, 2:8] = 1
    predicted[2:8, 3:9] = 1
    found = boundary_counts(*as_tensors(truth, predicted), 2).numpy()
    # A ring has 20 pixels. The two rings share 5 pixels in the top row and 5 in the bottom row, and
    # none in the columns between.
    assert found[1].tolist() == [10, 30]


@pytest.mark.parametrize(
    ("height", "width", "distance"), [(30, 40, 1), (60, 80, 2), (75, 100, 2), (3, 200, 4)]
)
def test_the_width_is_2_percent_of_the_diagonal(height, width, distance):
    whole = np.zeros((height, width), np.uint8)
    found = boundary_counts(*as_tensors(whole, whole), 1).numpy()[0]
    inner = max(height - 2 * distance, 0) * max(width - 2 * distance, 0)
    assert found.tolist() == [height * width - inner] * 2


def test_a_class_that_is_nowhere_has_no_boundary():
    whole = np.zeros((5, 5), np.uint8)
    assert boundary_counts(*as_tensors(whole, whole), 3).numpy()[1:].tolist() == [[0, 0], [0, 0]]


def test_a_thin_region_is_all_boundary():
    line = np.zeros((200, 300), np.uint8)
    line[100:103] = 1
    assert boundary_counts(*as_tensors(line, line), 2).numpy()[1].tolist() == [900, 900]


def counts_of(truth, probabilities):
    predicted = probabilities.argmax(-1).astype(np.int32)
    confidence = probabilities.max(-1)
    return calibration_counts(*map(tf.constant, (truth, predicted, confidence))).numpy()


def test_hand_computed_calibration():
    truth = np.array([[0, 1, 1, IGNORE]], np.uint8)
    probabilities = np.array([[[0.9, 0.1], [0.7, 0.3], [0.05, 0.95], [1, 0]]], np.float32)
    found = counts_of(truth, probabilities)
    expected = np.zeros((CALIBRATION_BINS, 3))
    expected[int(0.9 * 15)] = [1, 0.9, 1]
    expected[int(0.7 * 15)] = [1, 0.7, 0]
    expected[int(0.95 * 15)] = [1, 0.95, 1]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_full_confidence_is_in_the_last_bin():
    truth, sure = np.zeros((2, 3), np.uint8), np.zeros((2, 3, 2), np.float32)
    sure[..., 0] = 1
    found = counts_of(truth, sure)
    assert found[-1].tolist() == [6, 6, 6]
    assert not found[:-1].any()


def test_nothing_labelled_counts_nothing():
    truth = np.full((4, 4), IGNORE, np.uint8)
    probabilities = np.full((4, 4, 2), 0.5, np.float32)
    assert not counts_of(truth, probabilities).any()
    assert not boundary_counts(*as_tensors(truth, truth * 0), 2).numpy().any()
    assert not confusion_counts(*as_tensors(truth, truth * 0), 2).numpy().any()


def test_boundaries_do_not_depend_on_the_number_of_other_classes():
    random = np.random.default_rng(0)
    truth, predicted = random.choice([3, 77, 149, IGNORE], (2, 40, 50)).astype(np.uint8)
    predicted[predicted == IGNORE] = 3
    found = boundary_counts(*as_tensors(truth, predicted), 150).numpy()
    names = np.zeros(256, np.uint8)
    names[[3, 77, 149, IGNORE]] = 0, 1, 2, IGNORE
    few = boundary_counts(*as_tensors(names[truth], names[predicted]), 3).numpy()
    assert found[[3, 77, 149]].tolist() == few.tolist()
    assert not np.delete(found, [3, 77, 149], axis=0).any()


def test_without_a_labelled_pixel_there_is_no_boundary():
    ignored = np.full((5, 5), IGNORE, np.uint8)
    found = boundary_counts(*as_tensors(ignored, np.zeros((5, 5), np.uint8)), 3)
    assert found.numpy().tolist() == [[0, 0]] * 3
