import pytest
from pydantic import ValidationError

from components.evaluator.config import GateConfig
from components.evaluator.gate import decide
from components.evaluator.metrics import Counts, compute
from components.evaluator.results import Evaluation, Scores
from components.evaluator.verdict import Rule, Verdict
from tests.components.evaluator.conftest import CLASSES, counted


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({}, "no floor, so any model would pass"),
        ({"max_drop": 0.1}, "no floor"),
        ({"slices": {"image/source=a": {"mean_iou": 0.5}}}, "no floor"),
        ({"mean_iou": 1.5}, "less than or equal to 1"),
        ({"class_iou": {"lake": -0.1}}, "greater than or equal to 0"),
        ({"mean_iuo": 0.5}, "Extra inputs"),
        ({"mean_iou": 0.5, "min_images": 0}, "greater than or equal to 1"),
        ({"mean_iou": 0.5, "on_broken_baseline": "panic"}, "'older', 'floors' or 'fail'"),
    ],
)
def test_a_gate_that_gates_nothing_or_the_impossible_is_refused(gate, message):
    with pytest.raises(ValidationError, match=message):
        GateConfig(**gate)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            Rule(metric="mean_iou", kind="floor", value=0.7, limit=0.6, passed=True),
            ["mean IoU 0.700", "is not below", "0.600"],
        ),
        (
            Rule(metric="boundary_iou/lake", kind="floor", value=0.25, limit=0.5, passed=False),
            ["lake: boundary IoU 0.250", "is below", "0.500"],
        ),
        (
            Rule(metric="iou/lake", kind="floor", value=None, limit=0.5, passed=False),
            ["lake: IoU is undefined", "is below", "0.500"],
        ),
        (
            Rule(metric="mean_dice", slice="a=b", kind="floor", value=1, limit=0.5, passed=True),
            ["mean dice where a=b 1.000", "is not below", "0.500"],
        ),
        (
            Rule(metric="mean_iou", kind="drop", value=0.7, limit=0.1, baseline=0.75, passed=True),
            ["mean IoU 0.700", "falls by no more than 0.100", "last blessed model's 0.750"],
        ),
        (
            Rule(metric="iou/land", kind="drop", value=0.5, limit=0.1, baseline=0.9, passed=False),
            ["land: IoU 0.500", "falls by more than", "0.100", "0.900"],
        ),
        (
            Rule(
                metric="iou/a", kind="floor", value=0.1, limit=0.5, passed=None, reason="3 pixels"
            ),
            ["a: IoU has no say", "3 pixels"],
        ),
    ],
    ids=["kept", "missed", "undefined", "in a slice", "drop kept", "drop missed", "undecided"],
)
def test_a_rule_in_words(rule, words):
    text = str(rule)
    places = [text.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)


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


def verdict_of(candidate, baseline=None, *, by_slice=None, images=1, **gate):
    by_slice = {"": scores(candidate, images)} | {
        name: scores(matrix) for name, matrix in (by_slice or {}).items()
    }
    before = {} if baseline is None else {"": scores(baseline)}
    return decide(Evaluation(candidate=by_slice, baseline=before), GateConfig(**gate), CLASSES)


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


def test_a_slice_has_floors_of_its_own():
    found = {"image/source=a": [[1, 1, 0], [0, 2, 0], [0, 0, 0]]}
    floors = {"image/source=a": {"iou/ocean": 0.6}}
    assert verdict_of(SUM, by_slice=found, mean_iou=0.1).blessed
    verdict = verdict_of(SUM, by_slice=found, mean_iou=0.1, slices=floors)
    assert passed(verdict) == {
        ("", "mean_iou", "floor"): True,
        ("image/source=a", "iou/ocean", "floor"): False,
    }
    assert not verdict.blessed


def test_a_value_exactly_at_its_limit_passes():
    assert verdict_of([[1, 1, 0], [0, 2, 0], [0, 0, 0]], class_iou={"ocean": 0.5}).blessed
    half, more = [[1, 1, 0], [0, 0, 0], [0, 0, 0]], [[7, 3, 0], [0, 0, 0], [0, 0, 0]]
    assert verdict_of(half, more, class_iou={"ocean": 0.1}, max_class_drop=0.2).blessed


def test_a_class_with_too_few_pixels_has_no_say():
    few = [[9, 0, 0], [0, 9, 0], [3, 0, 0]]
    gate = {"mean_iou": 0.1, "class_iou": {"lake": 0.5}}
    assert not verdict_of(few, min_pixels=3, **gate).blessed
    verdict = verdict_of(few, min_pixels=4, **gate)
    assert verdict.blessed
    assert passed(verdict)["", "iou/lake", "floor"] is None
    assert str(verdict.rules[1]) == "lake: IoU has no say: 3 pixels of lake, gate.min_pixels is 4"


def test_a_class_that_is_predicted_but_never_there_has_no_say_in_drops():
    baseline, candidate = [[9, 0, 0], [0, 9, 0], [0, 0, 0]], [[8, 0, 1], [0, 9, 0], [0, 0, 0]]
    verdict = verdict_of(candidate, baseline, mean_iou=0.1, max_class_drop=0.2)
    assert passed(verdict)["", "iou/lake", "drop"] is None
    assert verdict.blessed


def test_too_few_images_decide_nothing_and_bless_nothing():
    verdict = verdict_of(SUM, images=4, mean_iou=0.1, min_images=5)
    assert not verdict.blessed
    assert verdict.reasons() == ["no rule of the gate had enough to decide by"]
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


def test_without_a_baseline_only_floors_count():
    verdict = verdict_of(SUM, mean_iou=0.1, max_drop=0.0, max_class_drop=0.0)
    assert {rule.kind for rule in verdict.rules} == {"floor"}
    assert verdict.blessed


def test_a_verdict_survives_its_file():
    verdict = verdict_of(SUM, SUM, class_iou={"lake": 0.5, "land": 0.5}, max_drop=0.1)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
