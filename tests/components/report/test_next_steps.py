import numpy as np
import pytest

from components.evaluator.intervals import Intervals
from components.evaluator.metrics import Counts, compute
from components.evaluator.results import Scores
from components.report.contents import Card, CardGroup, Contents
from components.report.metrics import RunMetrics
from components.report.next_steps import find_next_steps
from components.serving_check.verdict import ServingVerdict

CLASSES = ["ground", "disc", "rim"]
CONFUSION = [[900, 10, 2], [30, 100, 0], [6, 0, 20]]


def scores(confusion, images=9):
    counts = Counts(images, np.array(confusion), np.zeros((3, 2), int), np.zeros((15, 3)))
    values = compute(counts, CLASSES).items()
    metrics = {name: None if value != value else value for name, value in values}
    return Scores(images=images, metrics=metrics, confusion_matrix=confusion, calibration=[])


def run_metrics(confusion=CONFUSION, parts=None, **intervals):
    none = {"blessed": True, "reasons": [], "remarks": [], "baseline": {}, "baseline_model": None}
    return RunMetrics(
        **none,
        rules=[],
        **dict(scores(confusion)),
        slices=parts or {},
        serving=ServingVerdict(blessed=True, reasons=[], images=1),
        intervals=Intervals(**intervals),
    )


def contents(*costs):
    facts = {"mean": 0.5, "before": None, "ious": [], "present": [], "width": 1, "height": 1}
    cards = [Card(key=str(i), folder="f", cost=cost, **facts) for i, cost in enumerate(costs)]
    groups = [CardGroup(title="a", cards=cards[::2]), CardGroup(title="b", cards=cards[1::2])]
    lists = {"histories": [], "splits": [], "provenance": []}
    return Contents(name="discs", classes=CLASSES, gallery=groups, config="", **lists)


def test_the_costliest_class_is_named_with_its_most_frequent_confusion():
    metrics = run_metrics(metrics={"iou/disc": (0.6, 0.8), "iou/rim": (0.5, 0.9)})
    worst = find_next_steps(metrics, contents(), []).costliest_class
    assert (worst.name, worst.confused, worst.interval) == ("disc", "ground", (0.6, 0.8))
    assert worst.iou == pytest.approx(100 / 140)
    assert worst.cost == pytest.approx(40 / 140 / 3)
    assert worst.share == 1


def test_the_worst_slice_is_named_if_it_is_worse_beyond_noise():
    metrics = run_metrics()
    whole = metrics.metrics["mean_iou"]
    parts = {name: scores([[90, 10, 1], [9, 9, 0], [1, 0, 5]]) for name in ("a=1", "a=2")}
    parts["a=2"].metrics["mean_iou"] = 0.5
    noisy, sure = ({"mean_iou": (0.2, whole + noise)} for noise in (0.01, -0.01))
    metrics = run_metrics(parts=parts, slices={"a=1": noisy, "a=2": noisy})
    steps = find_next_steps(metrics, contents(), [])
    assert (steps.worst_slice, steps.compared_slices) == (None, 2)
    metrics = run_metrics(parts=parts, slices={"a=1": sure, "a=2": sure})
    worst = find_next_steps(metrics, contents(), []).worst_slice
    assert worst == ("a=2", 9, 0.5, sure["mean_iou"])


def test_the_images_are_the_five_that_cost_most():
    cards = contents(0.1, 0.7, None, 0.3, 0.2, -0.4, 0.5, 0.6, 0)
    steps = find_next_steps(run_metrics(), cards, [])
    assert [card.cost for card in steps.images] == [0.7, 0.6, 0.5, 0.3, 0.2]
    assert find_next_steps(run_metrics(), contents(None, -0.1), []).images == []


def test_a_perfect_model_leaves_nothing_to_do():
    perfect = run_metrics([[9, 0, 0], [0, 9, 0], [0, 0, 0]])
    assert find_next_steps(perfect, contents(), list("abcdef")) == (
        *(None, None, 0, []),
        list("abcde"),
    )
