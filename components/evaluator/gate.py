"""The gate: from its config to TFMA's thresholds, and from an evaluation to a verdict."""

import json
import math
from collections.abc import Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from pydantic import BaseModel

from components.evaluator.config import GateConfig
from components.evaluator.metrics import MEAN_IOU, ClassIoU, MeanIoU, class_iou

_CANDIDATE = "candidate"
_BASELINE = "baseline"
_SIGNATURE = "evaluation"


def eval_config(gate: GateConfig, classes: Sequence[str]) -> tfma.EvalConfig:
    """Writes the gate down for TFMA.

    Args:
      gate: Floors and allowed drops.
      classes: Names of the C classes.

    Returns:
      What the Evaluator computes, and the thresholds by which it blesses. Drops count only where
      there is a baseline.
    """
    metrics = [_metric(MeanIoU, MEAN_IOU, gate, num_classes=len(classes))]
    for class_id, name in enumerate(classes):
        metrics.append(
            _metric(ClassIoU, class_iou(name), gate, num_classes=len(classes), class_id=class_id)
        )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(name=_CANDIDATE, signature_name=_SIGNATURE),
            tfma.ModelSpec(name=_BASELINE, signature_name=_SIGNATURE, is_baseline=True),
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


class Rule(BaseModel):
    """One condition of the gate, as it came out.

    Attributes:
      metric: `mean_iou` or `iou/<class>`.
      kind: `floor`: value >= limit. `drop`: value >= baseline - limit.
      value: The candidate's, 0..1; None where the class occurs neither in truth nor in prediction.
      limit: The floor, or the allowed drop.
      baseline: The last blessed model's value on the same data, for a drop.
      passed: Whether it holds.
    """

    metric: str
    kind: str
    value: float | None
    limit: float
    baseline: float | None = None
    passed: bool

    def __str__(self) -> str:
        """Says it in words."""
        what = "mean IoU" if self.metric == MEAN_IOU else f"{self.metric.removeprefix('iou/')}: IoU"
        value = (
            "undefined (no such pixel in the test split)"
            if self.value is None
            else f"{self.value:.3f}"
        )
        if self.kind == "floor":
            relation = "not below" if self.passed else "below"
            return f"{what} {value} is {relation} its floor {self.limit:.3f}"
        before = "undefined" if self.baseline is None else f"{self.baseline:.3f}"
        verb = "falls by no more than" if self.passed else "falls by more than"
        return f"{what} {value} {verb} {self.limit:.3f} from the last blessed model's {before}"


class Verdict(BaseModel):
    """What the Evaluator found.

    Attributes:
      blessed: Whether the model may be pushed.
      metrics: Metric name to value, 0..1; None where undefined.
      baseline: The same of the last blessed model; empty if there is none.
      rules: Every condition of the gate that applied.
    """

    blessed: bool
    metrics: dict[str, float | None]
    baseline: dict[str, float | None]
    rules: list[Rule]


def read_verdict(evaluation: str, gate: GateConfig) -> Verdict:
    """Reads what the Evaluator wrote.

    Args:
      evaluation: Path of the Evaluator's `evaluation` artifact.
      gate: The gate it was given.

    Returns:
      The verdict over the whole test split.
    """
    found: dict[str, dict[str, float | None]] = {_CANDIDATE: {}, _BASELINE: {}}
    for item in next(iter(tfma.load_metrics(evaluation))).metric_keys_and_values:
        if not item.key.is_diff:
            value = item.value.double_value.value
            # TFMA drops the candidate's name where there is no baseline.
            found[item.key.model_name or _CANDIDATE][item.key.name] = (
                None if math.isnan(value) else value
            )
    result = tfma.load_validation_result(evaluation)
    failures = {
        (failure.metric_key.name, failure.metric_key.is_diff)
        for validations in result.metric_validations_per_slice
        for failure in validations.failures
    }
    rules = []
    for metric, value in found[_CANDIDATE].items():
        if (floor := _floor(gate, metric)) is not None:
            passed = (metric, False) not in failures
            rules.append(Rule(metric=metric, kind="floor", value=value, limit=floor, passed=passed))
        if (drop := _drop(gate, metric)) is not None and found[_BASELINE]:
            passed = (metric, True) not in failures
            baseline = found[_BASELINE][metric]
            rules.append(
                Rule(
                    metric=metric,
                    kind="drop",
                    value=value,
                    limit=drop,
                    baseline=baseline,
                    passed=passed,
                )
            )
    return Verdict(
        blessed=result.validation_ok,
        metrics=found[_CANDIDATE],
        baseline=found[_BASELINE],
        rules=rules,
    )


def _floor(gate: GateConfig, metric: str) -> float | None:
    return (
        gate.mean_iou
        if metric == MEAN_IOU
        else gate.class_iou.get(metric.removeprefix(class_iou("")))
    )


def _drop(gate: GateConfig, metric: str) -> float | None:
    return gate.max_drop if metric == MEAN_IOU else gate.max_class_drop


def _metric(
    metric: type[tfma.metrics.Metric], name: str, gate: GateConfig, **config: Any
) -> tfma.MetricConfig:
    threshold = tfma.MetricThreshold()
    if (floor := _floor(gate, name)) is not None:
        threshold.value_threshold.lower_bound.value = floor
    if (drop := _drop(gate, name)) is not None:
        threshold.change_threshold.absolute.value = -drop
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
    return tfma.MetricConfig(
        class_name=metric.__name__,
        module=metric.__module__,
        config=json.dumps({"name": name, **config}),
        threshold=threshold if threshold.ByteSize() else None,
    )
