import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from components.evaluator.metrics import Counts, compute, metric_names
from tests.components.evaluator.conftest import CLASSES, counted

# Ocean: 6 correct, 2 predicted as land. Land: 1 predicted as ocean, 7 correct. No lake.
ONE = [[6, 2, 0], [1, 7, 0], [0, 0, 0]]


def random_image(random):
    calibration = random.uniform(0, 50, (15, 3))
    image = counted(
        random.integers(0, 1000, (3, 3)), random.integers(0, 100, (3, 2)).cumsum(1), calibration
    )
    return image | {"raw_calibration": random.uniform(0, 50, (15, 3))}


def test_tfma_adds_up_images_before_it_divides(evaluate):
    two = [[2, 0, 0], [1, 3, 0], [0, 0, 0]]
    images = [counted(ONE, [[1, 2], [2, 2], [0, 0]]), counted(two, [[0, 1], [3, 4], [0, 0]])]
    evaluation = evaluate(images)
    scores = evaluation.candidate[""]
    assert evaluation.baseline == {}
    assert scores.images == 2
    assert scores.confusion_matrix == [[8, 2, 0], [2, 10, 0], [0, 0, 0]]
    ious = {name: scores.metrics[name] for name in ("iou/ocean", "iou/land", "iou/lake")}
    assert ious == {
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
    # They equal the formulas applied to the sums.
    names = ("confusion_matrix", "boundary", "calibration", "raw_calibration")
    sums = [sum(image[name] for image in images) for name in names]
    expected = compute(Counts(12, *sums), CLASSES)
    assert one.metrics == pytest.approx(expected)


def test_a_model_without_a_temperature_has_one_calibration(evaluate):
    scores = evaluate([counted(ONE, calibration=[[4.0, 5.0, 4.0]] * 15)]).candidate[""]
    assert scores.raw_calibration == scores.calibration
    assert scores.metrics["raw_calibration_error"] == scores.metrics["calibration_error"] == 0.25


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
