import pytest

from components.evaluator.intervals import Intervals
from components.evaluator.results import Scores
from components.evaluator.weak_slices import ComparedSlice, compare_slices

TRUE_PIXELS = [900, 130, 26]


def scores(mean_iou, true_pixels=(90, 13, 2)):
    metrics = {"mean_iou": mean_iou}
    counts = {"confusion_matrix": [], "calibration": [], "true_pixels": list(true_pixels)}
    return Scores(images=9, metrics=metrics, **counts)


def compare(parts, intervals, whole=0.8):
    by_slice = {name: {"mean_iou": interval} for name, interval in intervals.items()}
    return compare_slices(whole, TRUE_PIXELS, parts, Intervals(slices=by_slice))


def test_a_slice_is_weak_if_it_is_worse_beyond_noise():
    parts = {"a=1": scores(0.6), "a=2": scores(0.5), "a=3": scores(0.4), "a=4": scores(0.3)}
    intervals = {"a=1": (0.5, 0.79), "a=2": (0.4, 0.6), "a=3": (0.2, 0.81)}  # a=4 has none
    assert compare(parts, intervals) == (
        3,
        [ComparedSlice("a=2", 9, 0.5, (0.4, 0.6)), ComparedSlice("a=1", 9, 0.6, (0.5, 0.79))],
    )


@pytest.mark.parametrize(
    ("part", "whole"),
    [(scores(0.5, (900, 13, 0)), 0.8), (scores(None), 0.8), (scores(0.5), None)],
    ids=["a class is missing", "undefined on the slice", "undefined on the split"],
)
def test_a_slice_that_cannot_be_compared_is_left_out(part, whole):
    """One wrong pixel of a missing class makes the mean IoU of a slice low."""
    assert compare({"a=1": part}, {"a=1": (0.4, 0.6)}, whole) == (0, [])
