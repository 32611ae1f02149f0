import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from components.evaluator.metric_names import class_of, metric_names
from components.evaluator.metrics import (
    Counts,
    boundary_iou,
    calibration_error,
    compute,
    dice,
    frequency_weighted_iou,
    iou,
    mean_of_defined,
    pixel_accuracy,
)
from tests.components.evaluator.conftest import CLASSES, counted

IGNORE = 255
NAN = float("nan")


def counts_of(truth, predicted, num_classes):
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
    counts = counts_of(truth, predicted, 3)
    np.testing.assert_allclose(iou(counts), of_classes)
    assert mean_of_defined(iou(counts)) == pytest.approx(mean, nan_ok=True)
    # Dice = 2 IoU / (1 + IoU).
    np.testing.assert_allclose(dice(counts), [2 * x / (1 + x) for x in of_classes])


# Truth 0: 6 right, 2 taken for 1. Truth 1: 1 taken for 0, 7 right. Class 2 is nowhere.
ONE = [[6, 2, 0], [1, 7, 0], [0, 0, 0]]


def test_hand_computed_ratios():
    counts = np.array(ONE)
    np.testing.assert_allclose(iou(counts), [6 / 9, 7 / 10, NAN])
    np.testing.assert_allclose(dice(counts), [12 / 15, 14 / 17, NAN])
    assert pixel_accuracy(counts) == pytest.approx(13 / 16)
    assert frequency_weighted_iou(counts) == pytest.approx(0.5 * 6 / 9 + 0.5 * 7 / 10)
    np.testing.assert_allclose(boundary_iou(np.array([[3, 4], [0, 2], [0, 0]])), [3 / 4, 0, NAN])


def test_hand_computed_calibration_error():
    """Ten pixels of which it is 0.9 sure, 6 right; thirty of 0.5, all right."""
    bins = np.array([[10, 9.0, 6], [30, 15.0, 30], [0, 0, 0]])
    assert calibration_error(bins) == pytest.approx(10 / 40 * 0.3 + 30 / 40 * 0.5)
    assert calibration_error(np.array([[4, 3.0, 3]])) == 0


def test_without_pixels_all_is_undefined():
    none = Counts(1, np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64), np.zeros((15, 3)))
    assert np.isnan(list(compute(none, ["a", "b"]).values())).all()


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
    counts = counts_of(np.where(ignored, IGNORE, truth), predicted, 4)
    kept = truth[~ignored], predicted[~ignored]
    present = np.union1d(*kept)
    absent = [class_id not in present for class_id in range(4)]
    for ours, theirs in ((iou, jaccard_score), (dice, f1_score)):
        found = ours(counts)
        assert np.isnan(found).tolist() == absent
        if present.size:
            expected = theirs(*kept, labels=present, average=None, zero_division=0)
            np.testing.assert_allclose(found[present], expected)
            assert mean_of_defined(found) == pytest.approx(expected.mean())
    if present.size:
        assert pixel_accuracy(counts) == pytest.approx(accuracy_score(*kept))
        weighted = jaccard_score(*kept, average="weighted", zero_division=0)
        assert frequency_weighted_iou(counts) == pytest.approx(weighted)


def test_names():
    assert metric_names(["a", "b"])[-6:] == [
        *("iou/a", "iou/b", "dice/a", "dice/b", "boundary_iou/a", "boundary_iou/b")
    ]
    assert class_of("boundary_iou/a/b") == "a/b"
    assert class_of("mean_iou") is None


def random_image(random):
    calibration = random.uniform(0, 50, (15, 3))
    return counted(
        random.integers(0, 1000, (3, 3)), random.integers(0, 100, (3, 2)).cumsum(1), calibration
    )


def test_tfma_adds_up_images_before_it_divides(evaluate):
    two = [[2, 0, 0], [1, 3, 0], [0, 0, 0]]
    images = [counted(ONE, [[1, 2], [2, 2], [0, 0]]), counted(two, [[0, 1], [3, 4], [0, 0]])]
    evaluation = evaluate(images)
    scores = evaluation.candidate[""]
    assert evaluation.baseline == {}
    assert scores.images == 2
    assert scores.confusion_matrix == [[8, 2, 0], [2, 10, 0], [0, 0, 0]]
    found = {name: scores.metrics[name] for name in ("iou/ocean", "iou/land", "iou/lake")}
    assert found == {
        "iou/ocean": pytest.approx(8 / 12),
        "iou/land": pytest.approx(10 / 14),
        "iou/lake": None,
    }
    assert scores.metrics["mean_iou"] == pytest.approx((8 / 12 + 10 / 14) / 2)
    assert scores.metrics["boundary_iou/ocean"] == pytest.approx(1 / 3)
    assert scores.metrics["mean_boundary_iou"] == pytest.approx((1 / 3 + 5 / 6) / 2)
    assert set(scores.metrics) == set(metric_names(CLASSES))


def test_shards_and_their_order_do_not_matter(evaluate):
    random = np.random.default_rng(0)
    images = [random_image(random) for _ in range(12)]
    one = evaluate(images, name="one").candidate[""]
    two = evaluate(images[::-1], name="two", shards=5).candidate[""]
    assert one.confusion_matrix == two.confusion_matrix
    assert one.metrics == pytest.approx(two.metrics)
    # And they are what the formulas say of the sums.
    sums = [sum(image[name] for image in images) for name in ("confusion_matrix", "boundary")]
    expected = compute(Counts(12, *sums, sum(image["calibration"] for image in images)), CLASSES)
    assert one.metrics == pytest.approx(expected)


def test_masks_through_tfma_score_as_scikit_learn_says(evaluate):
    random = np.random.default_rng(1)
    truths, predictions = random.integers(0, 3, (2, 6, 20, 30))
    images = [
        counted(confusion_matrix(truth.ravel(), guess.ravel(), labels=[0, 1, 2]))
        for truth, guess in zip(truths, predictions, strict=True)
    ]
    scores = evaluate(images, shards=3).candidate[""]
    expected = jaccard_score(truths.ravel(), predictions.ravel(), average=None)
    assert [scores.metrics[f"iou/{name}"] for name in CLASSES] == pytest.approx(expected.tolist())


def test_candidate_and_baseline_are_kept_apart(evaluate):
    evaluation = evaluate([counted(ONE)], [counted([[8, 0, 0], [0, 8, 0], [0, 0, 0]])])
    assert evaluation.candidate[""].metrics["pixel_accuracy"] == pytest.approx(13 / 16)
    assert evaluation.baseline[""].metrics["pixel_accuracy"] == 1


def test_tfma_s_own_reader_reads_it(evaluate, tmp_path):
    evaluate([counted(ONE)])
    (record,) = tfma.load_metrics(str(tmp_path / "evaluation"))
    assert "iou/land" in {item.key.name for item in record.metric_keys_and_values}
