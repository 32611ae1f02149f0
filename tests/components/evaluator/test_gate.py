import pytest

from components.evaluator.config import GateConfig
from components.evaluator.gate import decide
from components.evaluator.gate_text import NOTHING_CHECKED, certainty_text, rule_text
from components.evaluator.intervals import Intervals
from components.evaluator.metrics import Counts, compute
from components.evaluator.results import Evaluation, Scores
from components.evaluator.verdict import Verdict
from tests.components.evaluator.conftest import CLASSES, counted


def scores(confusion_matrix, images=1):
    image = counted(confusion_matrix)
    counts = Counts(images, image["confusion_matrix"], image["boundary"], image["calibration"])
    metrics = compute(counts, CLASSES)
    return Scores(
        images=images,
        metrics={name: None if value != value else value for name, value in metrics.items()},
        confusion_matrix=confusion_matrix,
        calibration=image["calibration"].tolist(),
    )


def verdict_of(candidate, baseline=None, *, by_slice=None, images=1, intervals=None, **gate):
    by_slice = {"": scores(candidate, images)} | {
        name: scores(matrix) for name, matrix in (by_slice or {}).items()
    }
    before = {} if baseline is None else {"": scores(baseline)}
    evaluation = Evaluation(candidate=by_slice, baseline=before)
    return decide(evaluation, intervals or Intervals(), GateConfig(**gate), CLASSES)


# Ocean 8 of 12, land 10 of 14, lake nothing.
SUM = [[8, 2, 0], [2, 10, 0], [0, 0, 0]]


def passed(verdict):
    return {(rule.slice, rule.metric, rule.kind): rule.passed for rule in verdict.rules}


def test_floors_pass_and_fail_one_by_one():
    floors = {"ocean": 0.7, "land": 0.7}
    verdict = verdict_of(SUM, mean_iou=0.6, class_iou=floors, max_drop=0.01)
    assert not verdict.blessed
    assert passed(verdict) == {
        ("", "mean_iou", "floor"): True,
        ("", "iou/ocean", "floor"): False,
        ("", "iou/land", "floor"): True,
    }
    assert verdict.reasons() == ["ocean: IoU 0.667 is below its floor 0.700"]


def test_any_metric_may_have_a_floor():
    verdict = verdict_of(SUM, floors={"mean_dice": 0.8, "pixel_accuracy": 0.9})
    assert passed(verdict) == {
        ("", "mean_dice", "floor"): True,
        ("", "pixel_accuracy", "floor"): False,
    }


def test_a_slice_has_its_own_floors():
    by_slice = {"image/source=a": [[1, 1, 0], [0, 2, 0], [0, 0, 0]]}
    floors = {"image/source=a": {"iou/ocean": 0.6}}
    assert verdict_of(SUM, by_slice=by_slice, mean_iou=0.1).blessed
    verdict = verdict_of(SUM, by_slice=by_slice, mean_iou=0.1, slices=floors)
    assert passed(verdict) == {
        ("", "mean_iou", "floor"): True,
        ("image/source=a", "iou/ocean", "floor"): False,
    }
    assert not verdict.blessed


def test_a_value_exactly_at_its_limit_passes():
    assert verdict_of([[1, 1, 0], [0, 2, 0], [0, 0, 0]], class_iou={"ocean": 0.5}).blessed
    half, more = [[1, 1, 0], [0, 0, 0], [0, 0, 0]], [[7, 3, 0], [0, 0, 0], [0, 0, 0]]
    assert verdict_of(half, more, class_iou={"ocean": 0.1}, max_class_drop=0.2).blessed


def test_a_rule_about_a_class_with_too_few_pixels_is_not_checked():
    few = [[9, 0, 0], [0, 9, 0], [3, 0, 0]]
    gate = {"mean_iou": 0.1, "class_iou": {"lake": 0.5}}
    assert not verdict_of(few, min_pixels=3, **gate).blessed
    verdict = verdict_of(few, min_pixels=4, **gate)
    assert verdict.blessed
    assert passed(verdict)["", "iou/lake", "floor"] is None
    assert rule_text(verdict.rules[1]) == (
        "lake: IoU was not checked: only 3 pixels of lake (gate.min_pixels is 4)"
    )


def test_a_drop_of_a_class_that_is_predicted_but_absent_is_not_checked():
    baseline, candidate = [[9, 0, 0], [0, 9, 0], [0, 0, 0]], [[8, 0, 1], [0, 9, 0], [0, 0, 0]]
    verdict = verdict_of(candidate, baseline, mean_iou=0.1, max_class_drop=0.2)
    assert passed(verdict)["", "iou/lake", "drop"] is None
    assert verdict.blessed


def test_a_model_is_not_blessed_on_too_few_images():
    verdict = verdict_of(SUM, images=4, mean_iou=0.1, min_images=5)
    assert not verdict.blessed
    assert verdict.reasons() == [NOTHING_CHECKED]
    assert verdict_of(SUM, images=5, mean_iou=0.1, min_images=5).blessed


@pytest.mark.parametrize(
    ("max_drop", "holds"), [(0.25, True), (0.24, False)], ids=["just allowed", "too far"]
)
def test_a_drop_from_the_baseline(max_drop, holds):
    better = [[3, 1, 0], [0, 0, 0], [0, 0, 1]]
    worse = [[2, 2, 0], [0, 0, 0], [0, 0, 1]]
    verdict = verdict_of(worse, better, class_iou={"ocean": 0.4}, max_class_drop=max_drop)
    drops = {rule.metric: rule for rule in verdict.rules if rule.kind == "drop"}
    assert drops.keys() == {"iou/ocean", "iou/land", "iou/lake"}
    assert (drops["iou/ocean"].value, drops["iou/ocean"].baseline) == (0.5, 0.75)
    assert drops["iou/ocean"].passed is holds
    assert verdict.blessed is holds


def test_a_better_model_passes_every_drop():
    better = [[4, 0, 0], [0, 4, 0], [0, 0, 1]]
    worse = [[2, 2, 0], [2, 2, 0], [1, 0, 0]]
    assert verdict_of(better, worse, mean_iou=0.1, max_drop=0.0, max_class_drop=0.0).blessed


def test_without_a_baseline_only_floors_are_checked():
    verdict = verdict_of(SUM, mean_iou=0.1, max_drop=0.0, max_class_drop=0.0)
    assert {rule.kind for rule in verdict.rules} == {"floor"}
    assert verdict.blessed


def test_a_whole_verdict_survives_json():
    verdict = verdict_of(SUM, SUM, class_iou={"lake": 0.5, "land": 0.5}, max_drop=0.1)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


# Ocean's IoU is 0.667, land's 0.714.
AROUND = Intervals(groups=20, metrics={"iou/ocean": (0.6, 0.75), "iou/land": (0.702, 0.725)})


@pytest.mark.parametrize(
    ("floor", "estimate", "sure", "certainty"),
    [
        (0.59, True, True, "sure: 95 % interval 0.600–0.750"),
        # The lower end is 0.067 from the value, the limit 0.017: 20 · (0.0667 / 0.0167)² = 320.
        (
            0.65,
            True,
            False,
            "cannot tell: 95 % interval 0.600–0.750; about 320 groups would settle it, "
            "the test split has 20",
        ),
        # The upper end is 0.083 from the value, the limit 0.053: 20 · (0.0833 / 0.0533)² = 48.8.
        (
            0.72,
            False,
            False,
            "cannot tell: 95 % interval 0.600–0.750; about 49 groups would settle it, "
            "the test split has 20",
        ),
        (0.76, False, False, "sure: 95 % interval 0.600–0.750"),
    ],
)
def test_a_floor_is_decided_by_the_estimate_or_the_interval(floor, estimate, sure, certainty):
    for decided_by, blessed in (("estimate", estimate), ("sure", sure)):
        verdict = verdict_of(SUM, intervals=AROUND, class_iou={"ocean": floor}, decide=decided_by)
        assert verdict.blessed == blessed
        (rule,) = verdict.rules
        assert certainty_text(rule) == certainty
        assert rule_text(rule).endswith(f" its floor {floor:.3f} ({certainty})")
    if estimate and not sure:
        assert verdict.reasons() == [f"ocean: IoU 0.667 may be below its floor 0.650 ({certainty})"]


def test_the_estimate_decides_where_there_is_no_interval():
    verdict = verdict_of(SUM, intervals=AROUND, mean_iou=0.6, decide="sure")
    assert verdict.blessed
    (rule,) = verdict.rules
    assert (
        certainty_text(rule)
        == "cannot tell: no interval, since the groups are too few or all alike"
    )
    assert rule_text(rule) == "mean IoU 0.690 is not below its floor 0.600"


def test_slices_have_intervals_of_their_own():
    name = "image/source=a"
    intervals = Intervals(groups=9, slices={name: {"iou/ocean": (0.4, 0.6)}})
    by_slice = {name: [[1, 1, 0], [0, 2, 0], [0, 0, 0]]}
    gate = {"mean_iou": 0.1, "slices": {name: {"iou/ocean": 0.45}}}
    assert verdict_of(SUM, by_slice=by_slice, intervals=intervals, **gate).blessed
    assert not verdict_of(
        SUM, by_slice=by_slice, intervals=intervals, decide="sure", **gate
    ).blessed


@pytest.mark.parametrize(
    ("difference", "estimate", "sure", "certainty"),
    [
        ((-0.3, 0.05), False, True, "cannot tell: 95 % interval of the change -0.300 to +0.050; "),
        ((-0.3, -0.121), False, False, "sure: 95 % interval of the change -0.300 to -0.121"),
        ((-0.19, -0.09), False, True, "cannot tell"),
    ],
)
def test_a_drop_is_decided_by_the_estimate_or_the_interval(difference, estimate, sure, certainty):
    # Ocean falls from 0.8 to 0.667, by 0.133.
    before = [[8, 1, 0], [1, 10, 0], [0, 0, 0]]
    intervals = Intervals(groups=20, differences={"iou/ocean": difference})
    gate = {"mean_iou": 0.1, "max_class_drop": 0.12}
    for decided_by, blessed in (("estimate", estimate), ("sure", sure)):
        verdict = verdict_of(SUM, before, intervals=intervals, decide=decided_by, **gate)
        rule = next(rule for rule in verdict.rules if rule.interval)
        assert rule.passed == blessed
        assert certainty_text(rule).startswith(certainty)
    if sure:
        assert "may fall by no more than 0.120" in rule_text(rule)
