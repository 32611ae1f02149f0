import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from components.evaluator.metrics import (
    METRICS,
    Counts,
    Metric,
    boundary_iou,
    calibration_error,
    class_areas,
    class_metrics,
    class_of,
    compute,
    dice,
    floor_metrics,
    frequency_weighted_iou,
    iou,
    mean_of_defined,
    metric_names,
    pixel_accuracy,
)

IGNORE = 255
NAN = float("nan")


def counts_of(truth, predicted, num_classes):
    """Counts pixel by pixel, in the simplest way."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    for true_id, predicted_id in zip(np.ravel(truth), np.ravel(predicted), strict=True):
        if true_id != IGNORE:
            counts[true_id, predicted_id] += 1
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
        "predicted but absent",
        "present but never predicted",
        "all wrong",
        "all ignored",
    ],
)
def test_hand_computed(truth, predicted, of_classes, mean):
    counts = counts_of(truth, predicted, 3)
    np.testing.assert_allclose(iou(class_areas(counts)), of_classes)
    assert mean_of_defined(iou(class_areas(counts))) == pytest.approx(mean, nan_ok=True)
    # Dice = 2 IoU / (1 + IoU).
    np.testing.assert_allclose(dice(class_areas(counts)), [2 * x / (1 + x) for x in of_classes])


# Class 0: 6 correct, 2 predicted as 1. Class 1: 1 predicted as 0, 7 correct. Class 2 is absent.
ONE = [[6, 2, 0], [1, 7, 0], [0, 0, 0]]


def test_hand_computed_ratios():
    counts = np.array(ONE)
    np.testing.assert_allclose(iou(class_areas(counts)), [6 / 9, 7 / 10, NAN])
    np.testing.assert_allclose(dice(class_areas(counts)), [12 / 15, 14 / 17, NAN])
    assert pixel_accuracy(class_areas(counts)) == pytest.approx(13 / 16)
    assert frequency_weighted_iou(class_areas(counts)) == pytest.approx(0.5 * 6 / 9 + 0.5 * 7 / 10)
    np.testing.assert_allclose(boundary_iou(np.array([[3, 4], [0, 2], [0, 0]])), [3 / 4, 0, NAN])


def test_hand_computed_calibration_error():
    """Ten pixels with confidence 0.9, of which 6 are correct; thirty with 0.5, all correct."""
    bins = np.array([[10, 9.0, 6], [30, 15.0, 30], [0, 0, 0]])
    assert calibration_error(bins) == pytest.approx(10 / 40 * 0.3 + 30 / 40 * 0.5)
    assert calibration_error(np.array([[4, 3.0, 3]])) == 0


def test_without_pixels_every_metric_is_undefined():
    none = Counts(1, np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64), np.zeros((15, 3)))
    assert np.isnan(list(compute(none, ["a", "b"]).values())).all()


def test_rows_are_truth_and_columns_prediction_and_both_count_alike():
    counts = np.array([[3, 1], [2, 4]])
    np.testing.assert_allclose(iou(class_areas(counts)), [3 / 6, 4 / 7])
    np.testing.assert_allclose(iou(class_areas(counts.T)), [3 / 6, 4 / 7])


def test_billions_of_pixels_do_not_overflow():
    counts = np.array([[2**40, 2**40], [0, 2**41]])
    np.testing.assert_allclose(iou(class_areas(counts)), [1 / 2, 2 / 3])


LABELS = hnp.arrays(np.uint8, (2, 5, 7), elements=st.integers(0, 3))


@given(labels=LABELS, ignored=hnp.arrays(bool, (5, 7)))
def test_like_scikit_learn(labels, ignored):
    truth, predicted = labels
    counts = counts_of(np.where(ignored, IGNORE, truth), predicted, 4)
    kept = truth[~ignored], predicted[~ignored]
    present = np.union1d(*kept)
    absent = [class_id not in present for class_id in range(4)]
    for ours, theirs in ((iou, jaccard_score), (dice, f1_score)):
        values = ours(class_areas(counts))
        assert np.isnan(values).tolist() == absent
        if present.size:
            expected = theirs(*kept, labels=present, average=None, zero_division=0)
            np.testing.assert_allclose(values[present], expected)
            assert mean_of_defined(values) == pytest.approx(expected.mean())
    if present.size:
        assert pixel_accuracy(class_areas(counts)) == pytest.approx(accuracy_score(*kept))
        weighted = jaccard_score(*kept, average="weighted", zero_division=0)
        assert frequency_weighted_iou(class_areas(counts)) == pytest.approx(weighted)


def test_names():
    assert metric_names(["a", "b"])[-6:] == [
        *("iou/a", "iou/b", "dice/a", "dice/b", "boundary_iou/a", "boundary_iou/b")
    ]
    names = ["traffic light", "a/b", "道路"]
    assert metric_names(names)[-3:] == [
        f"boundary_iou/{key}" for key in ("traffic_light", "a_b", "道路")
    ]
    assert [class_of(name, names) for name in metric_names(names)[-3:]] == [0, 1, 2]
    assert class_of("mean_iou", names) is None


def test_a_registered_metric_is_computed_and_known_to_the_gate(monkeypatch):
    recall = Metric("recall", "class", lambda counts: counts.areas.hits / counts.images)
    monkeypatch.setitem(METRICS, recall.name, recall)
    counts = Counts(2, np.array([[6, 2], [1, 8]]), np.zeros((2, 2), np.int64), np.zeros((15, 3)))
    values = compute(counts, ["a", "b"])
    assert (values["recall/a"], values["recall/b"]) == (3, 4)
    assert list(values) == metric_names(["a", "b"])
    assert class_of("recall/b", ["a", "b"]) == 1
    assert "recall" in class_metrics()
    assert "recall/b" in floor_metrics(["a", "b"])


def test_only_errors_have_no_floor():
    without_floor = set(metric_names(["a"])) - set(floor_metrics(["a"]))
    assert without_floor == {"calibration_error", "raw_calibration_error"}


def test_the_config_can_read_the_metrics_without_tensorflow():
    check = (
        "import sys, components.evaluator.metrics\n"
        "print(*{'tensorflow', 'apache_beam', 'tensorflow_model_analysis'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.strip() == ""
