"""The gate, which checks evaluation results against rules and returns a verdict."""

import math
from collections.abc import Iterator, Sequence

from components.evaluator.config import GateConfig
from components.evaluator.gate_text import too_few_images, too_few_pixels
from components.evaluator.intervals import Interval, Intervals
from components.evaluator.metrics import class_of
from components.evaluator.results import Evaluation, Scores
from components.evaluator.rule import DROP, FLOOR, Rule
from components.evaluator.slice_names import OVERALL
from components.evaluator.verdict import Verdict
from components.metric_names import IOU, MEAN_IOU, of_class

# Tolerance for rounding errors. In floating point, 0.9 - 0.2 is slightly more than 0.7, so without
# the tolerance, a drop from 0.9 to 0.7 would exceed a limit of 0.2.
_ROUNDING = 1e-9
_SMALLEST_DISTANCE = 1e-3  # from a limit, for the estimated number of groups


def decide(
    evaluation: Evaluation, intervals: Intervals, gate: GateConfig, classes: Sequence[str]
) -> Verdict:
    """Checks a candidate's scores against the gate's rules.

    A rule is not checked if its slice has fewer than `gate.min_images` images, or fewer than
    `gate.min_pixels` ground-truth pixels of the class that the rule is about. If no rule can be
    checked, the model is not blessed.

    Args:
      evaluation: Scores of the candidate and the baseline.
      intervals: Confidence intervals of the scores.
      gate: The config's `gate` section, which defines the rules.
      classes: Names of the classes, by class id.

    Returns:
      The verdict, in which `baseline` and `remarks` are still empty and must be set by the caller.
    """
    rules = [
        *_floors(evaluation, intervals, gate, classes),
        *(_drops(evaluation, intervals, gate, classes) if evaluation.baseline else ()),
    ]
    checked = [rule.passed for rule in rules if rule.passed is not None]
    return Verdict(blessed=bool(checked) and all(checked), rules=rules)


def floors(gate: GateConfig) -> list[tuple[str, str, float]]:
    """Lists the gate's floors, that is, the minimum values of metrics.

    Args:
      gate: The config's `gate` section.

    Returns:
      For each floor: the slice name, the metric name and the minimum value (0..1).
    """
    mean = {} if gate.mean_iou is None else {MEAN_IOU: gate.mean_iou}
    overall = mean | {of_class(IOU, name): floor for name, floor in gate.class_iou.items()}
    by_slice = {OVERALL: overall | gate.floors} | gate.slices
    return [(part, *floor) for part, floors in by_slice.items() for floor in floors.items()]


def _floors(
    evaluation: Evaluation, intervals: Intervals, gate: GateConfig, classes: Sequence[str]
) -> Iterator[Rule]:
    for name, metric, floor in floors(gate):
        scores, before = evaluation.candidate.get(name), evaluation.baseline.get(name)
        value = scores.metrics[metric] if scores else None
        reason = _why_unchecked(scores, metric, gate, classes)
        by_metric = intervals.metrics if name == OVERALL else intervals.slices.get(name, {})
        interval = by_metric.get(metric)
        decisive = interval[0] if interval and gate.decide == "sure" else value
        yield Rule(
            metric=metric,
            class_name=_class_name(metric, classes),
            slice=name,
            kind=FLOOR,
            value=value,
            limit=floor,
            baseline=before.metrics[metric] if before else None,
            interval=interval,
            groups=intervals.groups,
            groups_needed=_groups_needed(value, interval, floor, intervals.groups),
            passed=None if reason else decisive is not None and decisive >= floor,
            reason=reason,
        )


def _drops(
    evaluation: Evaluation, intervals: Intervals, gate: GateConfig, classes: Sequence[str]
) -> Iterator[Rule]:
    candidate, baseline = evaluation.candidate[OVERALL], evaluation.baseline[OVERALL]
    limits = {MEAN_IOU: gate.max_drop}
    limits |= {of_class(IOU, name): gate.max_class_drop for name in classes}
    for metric, limit in limits.items():
        if limit is None:
            continue
        value, before = candidate.metrics[metric], baseline.metrics[metric]
        reason = _why_unchecked(candidate, metric, gate, classes)
        interval = intervals.differences.get(metric)
        # If the metric is undefined for the baseline, there is no drop, so the rule passes.
        holds, needed = before is None, None
        if value is not None and before is not None:
            difference = value - before
            decisive = interval[1] if interval and gate.decide == "sure" else difference
            holds = decisive >= -limit - _ROUNDING
            needed = _groups_needed(difference, interval, -limit, intervals.groups)
        yield Rule(
            metric=metric,
            class_name=_class_name(metric, classes),
            kind=DROP,
            value=value,
            limit=limit,
            baseline=before,
            interval=interval,
            groups=intervals.groups,
            groups_needed=needed,
            passed=None if reason else holds,
            reason=reason,
        )


def _class_name(metric: str, classes: Sequence[str]) -> str:
    class_id = class_of(metric, classes)
    return "" if class_id is None else classes[class_id]


def _groups_needed(
    value: float | None, interval: Interval | None, limit: float, groups: int
) -> int | None:
    """Returns the estimated number of groups for which the interval would not contain the limit.

    The width of an interval is proportional to 1 / √groups.
    """
    if value is None or interval is None or not interval[0] < limit <= interval[1]:
        return None
    reach = value - interval[0] if limit < value else interval[1] - value
    distance = max(abs(value - limit), _SMALLEST_DISTANCE)
    return math.ceil(groups * (reach / distance) ** 2 - _ROUNDING)


def _why_unchecked(
    scores: Scores | None, metric: str, gate: GateConfig, classes: Sequence[str]
) -> str:
    """Returns the reason why a rule cannot be checked, or an empty string if it can be checked."""
    images = scores.images if scores else 0
    if scores is None or images < gate.min_images:
        return too_few_images(images, gate.min_images)
    class_id = class_of(metric, classes)
    if class_id is not None:
        pixels = scores.true_pixels[class_id]
        if pixels < gate.min_pixels:
            return too_few_pixels(pixels, classes[class_id], gate.min_pixels)
    return ""
