import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import jaccard_score

from components.evaluator.metrics import class_iou, iou, mean_iou

IGNORE = 255
NAN = float("nan")


def confusion_matrix(truth, predicted, num_classes):
    """Counts pixel by pixel, in the slowest and plainest way."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    for wanted, found in zip(np.ravel(truth), np.ravel(predicted), strict=True):
        if wanted != IGNORE:
            counts[wanted, found] += 1
    return counts


@pytest.mark.parametrize(
    ("truth", "predicted", "of_classes", "mean"),
    [
        ([[0, 0, 1], [1, 2, 2]], [[0, 0, 1], [1, 2, 2]], [1, 1, 1], 1),
        ([[0, 0, 0], [1, 1, 1]], [[0, 0, 1], [0, 1, 1]], [2 / 4, 2 / 4, NAN], 1 / 2),
        ([[0, 0, 1], [255, 1, 1]], [[0, 1, 1], [2, 1, 0]], [1 / 3, 2 / 4, NAN], 5 / 12),
        ([[0, 0, 0], [0, 0, 0]], [[0, 0, 2], [0, 0, 0]], [5 / 6, NAN, 0], 5 / 12),
        ([[0, 0, 1], [0, 0, 255]], [[0, 0, 0], [0, 0, 1]], [4 / 5, 0, NAN], 2 / 5),
        ([[0, 1, 2], [0, 1, 2]], [[1, 2, 0], [1, 2, 0]], [0, 0, 0], 0),
        ([[255, 255, 255], [255, 255, 255]], [[0, 1, 2], [0, 1, 2]], [NAN, NAN, NAN], NAN),
    ],
    ids=[
        "perfect",
        "absent class left out",
        "wrong only where ignored",
        "predicted and never there",
        "there and never predicted",
        "all wrong",
        "all ignored",
    ],
)
def test_hand_computed(truth, predicted, of_classes, mean):
    counts = confusion_matrix(truth, predicted, 3)
    np.testing.assert_allclose(iou(counts), of_classes)
    assert mean_iou(counts) == pytest.approx(mean, nan_ok=True)


def test_rows_are_truth_and_columns_prediction_and_both_count_alike():
    counts = np.array([[3, 1], [2, 4]])
    np.testing.assert_allclose(iou(counts), [3 / 6, 4 / 7])
    np.testing.assert_allclose(iou(counts.T), [3 / 6, 4 / 7])


def test_billions_of_pixels_do_not_overflow():
    counts = np.array([[2**40, 2**40], [0, 2**41]])
    np.testing.assert_allclose(iou(counts), [1 / 2, 2 / 3])


LABELS = hnp.arrays(np.uint8, (2, 5, 7), elements=st.integers(0, 3))


@settings(deadline=None)
@given(labels=LABELS, ignored=hnp.arrays(bool, (5, 7)))
def test_like_scikit_learn(labels, ignored):
    truth, predicted = labels
    counts = confusion_matrix(np.where(ignored, IGNORE, truth), predicted, 4)
    kept = truth[~ignored], predicted[~ignored]
    present = np.union1d(*kept)
    found = iou(counts)
    assert np.isnan(found).tolist() == [class_id not in present for class_id in range(4)]
    if present.size:
        expected = jaccard_score(*kept, labels=present, average=None, zero_division=0)
        np.testing.assert_allclose(found[present], expected)
        assert mean_iou(counts) == pytest.approx(expected.mean())


def test_name_of_a_class_s_metric():
    assert class_iou("lake") == "iou/lake"
