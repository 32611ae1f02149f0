import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from pydantic import ValidationError

from components.evaluator.config import GateConfig
from components.evaluator.gate import Rule, eval_config, read_verdict

CLASSES = ["ocean", "land", "lake"]


class TestEvalConfig:
    def thresholds(self, **gate):
        (spec,) = eval_config(GateConfig(**gate), CLASSES).metrics_specs
        return {json.loads(metric.config)["name"]: metric for metric in spec.metrics}

    def test_every_class_and_the_mean_are_computed_whatever_the_gate_asks(self):
        metrics = self.thresholds(mean_iou=0.5)
        configs = {name: json.loads(metric.config) for name, metric in metrics.items()}
        assert configs == {
            "mean_iou": {"name": "mean_iou", "num_classes": 3},
            "iou/ocean": {"name": "iou/ocean", "num_classes": 3, "class_id": 0},
            "iou/land": {"name": "iou/land", "num_classes": 3, "class_id": 1},
            "iou/lake": {"name": "iou/lake", "num_classes": 3, "class_id": 2},
        }

    def test_floors_and_drops_stand_where_they_were_configured(self):
        metrics = self.thresholds(mean_iou=0.6, class_iou={"land": 0.92}, max_class_drop=0.03)
        mean, ocean, land = (
            metrics[name].threshold for name in ("mean_iou", "iou/ocean", "iou/land")
        )
        assert mean.value_threshold.lower_bound.value == 0.6
        assert not mean.HasField("change_threshold")
        assert not ocean.HasField("value_threshold")
        assert land.value_threshold.lower_bound.value == 0.92
        for threshold in (ocean, land):
            assert threshold.change_threshold.absolute.value == -0.03
            assert threshold.change_threshold.direction == tfma.MetricDirection.HIGHER_IS_BETTER

    def test_what_was_not_configured_has_no_threshold(self):
        metrics = self.thresholds(class_iou={"land": 0.92}, max_drop=0.01)
        assert not metrics["iou/ocean"].HasField("threshold")
        assert metrics["mean_iou"].threshold.change_threshold.absolute.value == -0.01
        assert not metrics["mean_iou"].threshold.HasField("value_threshold")

    def test_a_floor_and_a_drop_of_0_are_thresholds_too(self):
        metrics = self.thresholds(mean_iou=0.0, max_drop=0.0)
        threshold = metrics["mean_iou"].threshold
        assert threshold.value_threshold.HasField("lower_bound")
        assert threshold.change_threshold.HasField("absolute")

    def test_candidate_and_baseline_answer_by_the_evaluation_signature(self):
        specs = eval_config(GateConfig(mean_iou=0.5), CLASSES).model_specs
        assert [(spec.is_baseline, spec.signature_name) for spec in specs] == [
            (False, "evaluation"),
            (True, "evaluation"),
        ]


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({}, "no floor, so any model would pass"),
        ({"max_drop": 0.1}, "no floor"),
        ({"mean_iou": 1.5}, "less than or equal to 1"),
        ({"class_iou": {"lake": -0.1}}, "greater than or equal to 0"),
        ({"mean_iuo": 0.5}, "Extra inputs"),
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
            ["mean IoU 0.700", "not below", "0.600"],
        ),
        (
            Rule(metric="iou/lake", kind="floor", value=0.25, limit=0.5, passed=False),
            ["lake: IoU 0.250", "is below", "0.500"],
        ),
        (
            Rule(metric="iou/lake", kind="floor", value=None, limit=0.5, passed=False),
            ["lake: IoU undefined", "no such pixel", "is below", "0.500"],
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
            Rule(metric="iou/land", kind="drop", value=None, limit=0.1, passed=False),
            ["land: IoU undefined", "falls by more than", "model's undefined"],
        ),
    ],
    ids=[
        "floor kept",
        "floor missed",
        "undefined",
        "drop kept",
        "drop missed",
        "no baseline value",
    ],
)
def test_a_rule_in_words(rule, words):
    text = str(rule)
    places = [text.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)


@pytest.fixture
def evaluate(tmp_path):
    """Evaluates images' confusion matrices by TFMA, as the Evaluator does."""

    def evaluate(candidates, baselines=None, *, name="evaluation", shards=1, **gate):
        gate = GateConfig(**gate)
        config = tfma.utils.update_eval_config_with_defaults(
            eval_config(gate, CLASSES), has_baseline=baselines is not None, rubber_stamp=True
        )
        if baselines is None:
            predictions = [np.array(matrix) for matrix in candidates]
        else:
            predictions = [
                {"candidate": np.array(one), "baseline": np.array(two)}
                for one, two in zip(candidates, baselines, strict=True)
            ]
        extracts = [
            {
                tfma.FEATURES_KEY: {},
                tfma.LABELS_KEY: None,
                tfma.EXAMPLE_WEIGHTS_KEY: None,
                tfma.PREDICTIONS_KEY: prediction,
                tfma.SLICE_KEY_TYPES_KEY: [()],
            }
            for prediction in predictions
        ]
        paths = {
            key: str(tmp_path / name / key)
            for key in (tfma.METRICS_KEY, tfma.PLOTS_KEY, tfma.VALIDATIONS_KEY)
        }
        evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(config)
        writer = tfma.writers.MetricsPlotsAndValidationsWriter(paths, config, rubber_stamp=True)
        options = PipelineOptions(["--runner=DirectRunner", "--direct_running_mode=in_memory"])
        with beam.Pipeline(options=options) as pipeline:
            parts = [
                pipeline | f"Shard{i}" >> beam.Create(extracts[i::shards]) for i in range(shards)
            ]
            evaluation = parts | beam.Flatten() | evaluator.ptransform
            evaluation | writer.ptransform
        return read_verdict(str(tmp_path / name), gate)

    return evaluate


ONE = [[6, 2, 0], [1, 7, 0], [0, 0, 0]]
TWO = [[2, 0, 0], [1, 3, 0], [0, 0, 0]]
# Added up: [[8, 2, 0], [2, 10, 0], [0, 0, 0]], so ocean has 8 of 12, land 10 of 14, lake nothing.
OCEAN, LAND = 8 / 12, 10 / 14


def test_tfma_adds_up_images_before_it_divides(evaluate):
    verdict = evaluate([ONE, TWO], mean_iou=0.6)
    assert verdict.metrics == {
        "iou/ocean": pytest.approx(OCEAN),
        "iou/land": pytest.approx(LAND),
        "iou/lake": None,
        "mean_iou": pytest.approx((OCEAN + LAND) / 2),
    }
    assert verdict.blessed
    assert verdict.baseline == {}


def test_shards_and_their_order_do_not_matter(evaluate):
    random = np.random.default_rng(0)
    matrices = [random.integers(0, 1000, (3, 3)) for _ in range(12)]
    one = evaluate(matrices, name="one", mean_iou=0.1)
    two = evaluate(matrices[::-1], name="two", shards=5, mean_iou=0.1)
    assert one.metrics == two.metrics


def test_floors_pass_and_fail_one_by_one(evaluate):
    floors = {"ocean": 0.7, "land": 0.7}
    verdict = evaluate([ONE, TWO], mean_iou=0.6, class_iou=floors, max_drop=0.01)
    assert not verdict.blessed
    passed = {(rule.metric, rule.kind): rule.passed for rule in verdict.rules}
    assert passed == {
        ("mean_iou", "floor"): True,
        ("iou/ocean", "floor"): False,
        ("iou/land", "floor"): True,
    }


def test_a_floor_of_a_class_that_never_occurs_fails_as_undefined(evaluate):
    verdict = evaluate([ONE], class_iou={"lake": 0.0})
    (rule,) = verdict.rules
    assert (rule.value, rule.passed, verdict.blessed) == (None, False, False)


def test_a_value_exactly_at_its_floor_passes(evaluate):
    assert evaluate([[[1, 1, 0], [0, 2, 0], [0, 0, 0]]], class_iou={"ocean": 0.5}).blessed


@pytest.mark.parametrize(
    ("max_drop", "passed"), [(0.25, True), (0.24, False)], ids=["just allowed", "too far"]
)
def test_a_drop_from_the_baseline(evaluate, max_drop, passed):
    better = [[3, 1, 0], [0, 0, 0], [0, 0, 1]]
    worse = [[2, 2, 0], [0, 0, 0], [0, 0, 1]]
    verdict = evaluate([worse], [better], class_iou={"ocean": 0.4}, max_class_drop=max_drop)
    assert (verdict.metrics["iou/ocean"], verdict.baseline["iou/ocean"]) == (0.5, 0.75)
    drops = {rule.metric: rule for rule in verdict.rules if rule.kind == "drop"}
    assert drops.keys() == {"iou/ocean", "iou/land", "iou/lake"}
    assert (drops["iou/ocean"].value, drops["iou/ocean"].baseline) == (0.5, 0.75)
    assert drops["iou/ocean"].passed is passed
    assert verdict.blessed is passed


def test_a_better_model_passes_every_drop(evaluate):
    better = [[4, 0, 0], [0, 4, 0], [0, 0, 1]]
    worse = [[2, 2, 0], [2, 2, 0], [1, 0, 0]]
    assert evaluate([better], [worse], mean_iou=0.1, max_drop=0.0, max_class_drop=0.0).blessed
