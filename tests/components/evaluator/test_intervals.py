import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.intervals import Intervals, measure_intervals
from components.evaluator.metrics import Counts, compute
from serving.model.pixel_counts import CALIBRATION_BINS

CLASSES = ["ground", "disc", "rim"]


def image(group, candidate, baseline=None, slices=()):
    before = None if baseline is None else counts(baseline)
    return EvaluatedImage(f"{group}/1", group, "s", list(slices), counts(candidate), before)


def counts(confusion):
    """Makes counts in which the boundaries and the confidences follow from the classes' pixels."""
    confusion = np.array(confusion)
    hits, truth = np.diagonal(confusion), confusion.sum(1)
    pixels, right = truth.sum(), hits.sum()
    bins = [[0, 0, 0]] * (CALIBRATION_BINS - 1) + [[pixels, 0.9 * pixels, right]]
    return Counts(1, confusion, np.stack([hits, 2 * truth], -1), np.array(bins))


def noisy(groups, seed=0, images=2, rims=True):
    """Makes images whose errors differ from group to group."""
    random = np.random.default_rng(seed)
    for group in range(groups):
        for _ in range(images):
            candidate = np.diag([900, 100, 30 if rims else 0])
            candidate[0, 1], candidate[1, 0], candidate[2, 0] = random.integers(0, 40, 3)
            if not rims:
                candidate[2] = 0
            baseline = candidate + np.array([[0, 9, 0], [3, 0, 0], [0, 0, 0]])
            yield image(str(group), candidate, baseline, ["part=even"] if group % 2 == 0 else [])


def metrics(images, model="candidate"):
    all_counts = [getattr(one, model) for one in images]
    return compute(Counts(*(sum(parts) for parts in zip(*all_counts, strict=True))), CLASSES)


def jackknife(images, value, name):
    """Computes the standard error of a value, and the number of groups, in the simplest way."""
    groups = sorted({one.group for one in images})
    left_out = [value([one for one in images if one.group != group])[name] for group in groups]
    number = len(groups)
    return math.sqrt((number - 1) / number * sum((x - np.mean(left_out)) ** 2 for x in left_out))


def log_odds(values):
    return {name: math.log(value / (1 - value)) for name, value in values.items() if 0 < value < 1}


@pytest.mark.parametrize(
    "name",
    [
        "iou/disc",
        "dice/rim",
        "pixel_accuracy",
        "boundary_iou/disc",
        "calibration_error",
    ],
)
def test_an_interval_is_the_jackknife_s_on_the_scale_of_log_odds(name):
    images = list(noisy(8))
    low, high = measure_intervals(images, CLASSES).metrics[name]
    value = log_odds(metrics(images))[name]
    error = jackknife(images, lambda some: log_odds(metrics(some)), name)
    reach = stats.t.ppf(0.975, 7) * error
    expected = [1 / (1 + math.exp(-end)) for end in (value - reach, value + reach)]
    assert [low, high] == pytest.approx(expected)
    assert low < metrics(images)[name] < high


def log_odds_without_each_group(images, names):
    groups = sorted({one.group for one in images})
    rows = (log_odds(metrics([i for i in images if i.group != group])) for group in groups)
    return np.array([[row[name] for name in names] for row in rows])


def test_the_interval_of_a_mean_is_composed_of_those_of_the_classes():
    images = list(noisy(8))
    names = [f"iou/{name}" for name in CLASSES]
    found = measure_intervals(images, CLASSES).metrics
    values = np.array([metrics(images)[name] for name in names])
    below, above = np.abs(np.array([found[name] for name in names]).T - values)
    correlations = np.corrcoef(log_odds_without_each_group(images, names).T)
    expected = [
        values.mean() - math.sqrt(below @ correlations @ below) / 3,
        values.mean() + math.sqrt(above @ correlations @ above) / 3,
    ]
    assert found["mean_iou"] == pytest.approx(expected)


def test_a_class_without_an_interval_may_have_any_value_in_that_of_the_mean():
    images = [one._replace(baseline=None) for one in noisy(8, rims=False)]
    for one in images:
        one.candidate.confusion_matrix[0, 2] = 3
    found = measure_intervals(images, CLASSES).metrics
    assert metrics(images)["iou/rim"] == 0  # it is only predicted
    assert "iou/rim" not in found
    names = ["iou/ground", "iou/disc"]
    values = np.array([metrics(images)[name] for name in names])
    below, above = np.abs(np.array([found[name] for name in names]).T - values)
    correlations = np.corrcoef(log_odds_without_each_group(images, names).T)
    expected = [
        values.sum() / 3 - math.sqrt(below @ correlations @ below) / 3,
        values.sum() / 3 + math.sqrt(above @ correlations @ above + 1) / 3,
    ]
    assert found["mean_iou"] == pytest.approx(expected)


def test_a_difference_is_measured_on_the_same_groups():
    images = list(noisy(8))
    low, high = measure_intervals(images, CLASSES).differences["iou/disc"]

    def difference(some):
        return {"d": metrics(some)["iou/disc"] - metrics(some, "baseline")["iou/disc"]}

    reach = stats.t.ppf(0.975, 7) * jackknife(images, difference, "d")
    expected = difference(images)["d"]
    assert (low, high) == pytest.approx((expected - reach, expected + reach))
    assert low > 0  # the candidate is better in each group, although both vary


def test_a_class_that_only_one_model_predicts_may_change_the_mean_by_any_value():
    images = list(noisy(8, rims=False))
    images[0].candidate.confusion_matrix[0, 2] = 3
    value, before = (metrics(images, model) for model in ("candidate", "baseline"))
    assert value["iou/rim"] == 0
    assert math.isnan(before["iou/rim"])
    low, high = measure_intervals(images, CLASSES).differences["mean_iou"]
    change = value["mean_iou"] - before["mean_iou"]
    assert change < -0.2  # the mean of three classes minus that of two
    assert low < change - 1 / 3 < change + 1 / 3 < high < change + 0.35


def test_a_slice_has_an_interval_of_its_own_groups():
    images = list(noisy(12))
    even = [one for one in images if one.slices]
    found = measure_intervals(images, CLASSES)
    assert found.slices == {"part=even": measure_intervals(even, CLASSES).metrics}
    assert found.groups == 12


def test_images_of_a_group_are_one_unit():
    """Copies of images within their groups say nothing new."""
    once, twice = list(noisy(8, images=1)), list(noisy(8, images=1)) * 2
    for name, ends in measure_intervals(once, CLASSES).metrics.items():
        assert measure_intervals(twice, CLASSES).metrics[name] == pytest.approx(ends)


def test_a_class_in_few_groups_has_no_interval():
    images = [
        *noisy(20, rims=False),
        *(image(f"rim {i}", 90 * np.eye(3, dtype=int)) for i in range(4)),
    ]
    images = [one._replace(baseline=None) for one in images]
    found = measure_intervals(images, CLASSES).metrics
    assert {"iou/ground", "iou/disc", "pixel_accuracy"} <= set(found)
    assert "iou/rim" not in found
    more = measure_intervals([*images, image("rim 5", 90 * np.eye(3, dtype=int))], CLASSES).metrics
    assert more["mean_iou"][0] > found["mean_iou"][0] + 0.2  # rims are right in all groups


def test_without_groups_or_noise_there_is_no_interval():
    assert measure_intervals([], CLASSES) == Intervals()
    perfect = [image(str(group), np.eye(3, dtype=int)) for group in range(9)]
    assert measure_intervals(perfect, CLASSES) == Intervals(groups=9)
    assert not measure_intervals(list(noisy(1)), CLASSES).metrics


@settings(max_examples=30)
@given(st.integers(5, 9), st.integers(0, 99), st.randoms())
def test_the_order_of_the_images_changes_nothing(groups, seed, random):
    images = list(noisy(groups, seed))
    expected = measure_intervals(images, CLASSES)
    random.shuffle(images)
    found = measure_intervals(images, CLASSES)
    assert found.metrics.keys() == expected.metrics.keys()
    for name, ends in expected.metrics.items():
        assert found.metrics[name] == pytest.approx(ends)
        assert 0 <= ends[0] < ends[1] <= 1
