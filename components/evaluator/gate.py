"""The gate: from its config and an evaluation to a verdict."""

import os
from collections.abc import Iterator, Sequence

import tensorflow as tf
from pydantic import BaseModel

from components.evaluator.config import GateConfig
from components.evaluator.names import IOU, MEAN_IOU, class_of, of_class
from components.evaluator.results import OVERALL, Evaluation, Scores

_ROUNDING = 1e-9  # 0.9 - 0.2 is a little more than 0.7
VERDICT_FILE = "verdict.json"
"""In the blessing artifact: a `Verdict`."""


class Rule(BaseModel):
    """One condition of the gate, as it came out.

    Attributes:
      metric: Its name, as `mean_iou` or `iou/<class>`.
      slice: `feature=value`; empty for the whole split.
      kind: `floor`: value >= limit. `drop`: value >= baseline - limit.
      value: The candidate's, 0..1; None where undefined.
      limit: The floor, or the allowed drop.
      baseline: The last blessed model's value on the same data; None if it has none.
      passed: Whether it holds; None if there was too little to decide by.
      reason: Why it could not be decided.
    """

    metric: str
    slice: str = OVERALL
    kind: str
    value: float | None
    limit: float
    baseline: float | None = None
    passed: bool | None
    reason: str = ""

    def __str__(self) -> str:
        """Says it in words."""
        what = metric_in_words(self.metric) + (f" where {self.slice}" if self.slice else "")
        if self.passed is None:
            return f"{what} has no say: {self.reason}"
        value = "is undefined" if self.value is None else f"{self.value:.3f}"
        if self.kind == "floor":
            relation = "is not below" if self.passed else "is below"
            return f"{what} {value} {relation} its floor {self.limit:.3f}"
        before = "undefined" if self.baseline is None else f"{self.baseline:.3f}"
        verb = "falls by no more than" if self.passed else "falls by more than"
        return f"{what} {value} {verb} {self.limit:.3f} from the last blessed model's {before}"


def metric_in_words(metric: str) -> str:
    """Returns a metric's name for people: `lake: boundary IoU`, `mean IoU`."""
    kind, _, name = metric.partition("/")
    words = kind.replace("_", " ").replace("iou", "IoU")
    return f"{name}: {words}" if name else words


class Verdict(BaseModel):
    """Whether a model may be pushed, and why.

    Attributes:
      blessed: Whether it may.
      rules: Every condition of the gate that applied.
      baseline: The model that it was compared with, by its artifact's path; None if there is none.
      remarks: What else a person should know: baselines that were passed by, too few images.
    """

    blessed: bool
    rules: list[Rule]
    baseline: str | None = None
    remarks: list[str] = []

    def reasons(self) -> list[str]:
        """Returns why the model was not blessed, a line for each reason."""
        failed = [str(rule) for rule in self.rules if rule.passed is False]
        return failed or ([] if self.blessed else ["no rule of the gate had enough to decide by"])


def read_verdict(blessing: str) -> Verdict:
    """Reads what was decided.

    Args:
      blessing: Path of the Evaluator's `blessing` artifact.
    """
    with tf.io.gfile.GFile(os.path.join(blessing, VERDICT_FILE)) as file:
        return Verdict.model_validate_json(file.read())


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
