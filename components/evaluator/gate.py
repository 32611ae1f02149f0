"""The gate: from its config and an evaluation to a verdict."""

from collections.abc import Iterator, Sequence

from components.evaluator.config import GateConfig
from components.evaluator.metric_names import IOU, MEAN_IOU, class_of, of_class
from components.evaluator.results import OVERALL, Evaluation, Scores
from components.evaluator.verdict import Rule, Verdict

_ROUNDING = 1e-9  # 0.9 - 0.2 is a little more than 0.7


def decide(evaluation: Evaluation, gate: GateConfig, classes: Sequence[str]) -> Verdict:
    """Holds what was measured against the gate.

    A rule about too few images, or about a class with too few pixels, decides nothing; where no
    rule decides, the model is not blessed.

    Args:
      evaluation: The candidate's and the baseline's scores.
      gate: The config.
      classes: Names of the classes.

    Returns:
      The verdict, without what only its caller knows: the baseline's name, and remarks.
    """
    rules = [
        *_floors(evaluation, gate, classes),
        *(_drops(evaluation, gate, classes) if evaluation.baseline else ()),
    ]
    decided = [rule.passed for rule in rules if rule.passed is not None]
    return Verdict(blessed=bool(decided) and all(decided), rules=rules)


def floors(gate: GateConfig) -> list[tuple[str, str, float]]:
    """Returns the gate's floors: slice, metric, and the floor.

    Args:
      gate: The config.
    """
    mean = {} if gate.mean_iou is None else {MEAN_IOU: gate.mean_iou}
    overall = mean | {of_class(IOU, name): floor for name, floor in gate.class_iou.items()}
    by_slice = {OVERALL: overall | gate.floors} | gate.slices
    return [(part, *floor) for part, floors in by_slice.items() for floor in floors.items()]


def _floors(evaluation: Evaluation, gate: GateConfig, classes: Sequence[str]) -> Iterator[Rule]:
    for name, metric, floor in floors(gate):
        scores, before = evaluation.candidate.get(name), evaluation.baseline.get(name)
        value = scores.metrics[metric] if scores else None
        reason = _too_little(scores, metric, gate, classes)
        passed = None if reason else value is not None and value >= floor
        yield Rule(
            metric=metric,
            slice=name,
            kind="floor",
            value=value,
            limit=floor,
            baseline=before.metrics[metric] if before else None,
            passed=passed,
            reason=reason,
        )


def _drops(evaluation: Evaluation, gate: GateConfig, classes: Sequence[str]) -> Iterator[Rule]:
    candidate, baseline = evaluation.candidate[OVERALL], evaluation.baseline[OVERALL]
    limits = {MEAN_IOU: gate.max_drop}
    limits |= {of_class(IOU, name): gate.max_class_drop for name in classes}
    for metric, limit in limits.items():
        if limit is None:
            continue
        value, before = candidate.metrics[metric], baseline.metrics[metric]
        reason = _too_little(candidate, metric, gate, classes)
        # Where the baseline has no value there is nothing to fall from.
        holds = before is None or (value is not None and value >= before - limit - _ROUNDING)
        yield Rule(
            metric=metric,
            kind="drop",
            value=value,
            limit=limit,
            baseline=before,
            passed=None if reason else holds,
            reason=reason,
        )


def _too_little(
    scores: Scores | None, metric: str, gate: GateConfig, classes: Sequence[str]
) -> str:
    images = scores.images if scores else 0
    if scores is None or images < gate.min_images:
        return f"{images} images, gate.min_images is {gate.min_images}"
    name = class_of(metric)
    if name is not None:
        pixels = scores.true_pixels(classes.index(name))
        if pixels < gate.min_pixels:
            return f"{pixels} pixels of {name}, gate.min_pixels is {gate.min_pixels}"
    return ""
