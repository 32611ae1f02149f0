import math

import numpy as np
import pytest

from components.trainer.training.metrics import ClassIoU

CLASSES = ["ocean", "land", "lake", "ice"]


def scores(truth, predicted):
    metric = ClassIoU(CLASSES)
    for some, guesses in zip(truth, predicted, strict=True):
        logits = np.eye(len(CLASSES), dtype=np.float32)[np.array([[guesses]])]
        metric.update_state(np.array([[some]], np.uint8), logits)
    return {name: float(value) for name, value in metric.result().items()}


def test_scores_by_hand_over_several_batches_without_the_ignored_pixels():
    found = scores([[0, 0, 1, 255], [1, 2, 255, 255]], [[0, 1, 1, 3], [1, 1, 0, 2]])
    assert math.isnan(found.pop("iou/ice"))
    assert found == pytest.approx(
        {
            "mean_iou": (1 / 2 + 2 / 4 + 0) / 3,
            "iou/ocean": 1 / 2,
            "iou/land": 2 / 4,
            "iou/lake": 0,
            "predicted_classes": 2,
            "true_classes": 3,
        }
    )


def test_a_class_that_is_only_predicted_counts_as_a_miss():
    found = scores([[0, 0]], [[0, 2]])
    assert found["iou/lake"] == 0
    assert found["mean_iou"] == pytest.approx(1 / 4)
    assert (found["predicted_classes"], found["true_classes"]) == (2, 1)


def test_nothing_labelled_is_no_error():
    found = scores([[255, 255]], [[0, 1]])
    assert (found["mean_iou"], found["true_classes"]) == (0, 0)
