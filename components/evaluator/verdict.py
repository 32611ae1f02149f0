"""The gate's verdict: its rules and their results."""

import os

import tensorflow as tf
from pydantic import BaseModel

from components.evaluator.gate_text import metric_text
from components.evaluator.results import OVERALL

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
        what = metric_text(self.metric) + (f" where {self.slice}" if self.slice else "")
        if self.passed is None:
            return f"{what} has no say: {self.reason}"
        value = "is undefined" if self.value is None else f"{self.value:.3f}"
        if self.kind == "floor":
            relation = "is not below" if self.passed else "is below"
            return f"{what} {value} {relation} its floor {self.limit:.3f}"
        before = "undefined" if self.baseline is None else f"{self.baseline:.3f}"
        verb = "falls by no more than" if self.passed else "falls by more than"
        return f"{what} {value} {verb} {self.limit:.3f} from the last blessed model's {before}"


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
