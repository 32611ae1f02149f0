"""A rule of the gate and its result."""

from typing import Literal

from pydantic import BaseModel

from components.evaluator.results import OVERALL

FLOOR: Literal["floor"] = "floor"
"""Kind of a rule: the value must not be below a given minimum."""
DROP: Literal["drop"] = "drop"
"""Kind of a rule: the value must not be more than a given drop below the baseline's value."""


class Rule(BaseModel):
    """A rule of the gate and its result for one candidate.

    Attributes:
      metric: Name of the metric, such as `mean_iou` or `iou/lake`.
      slice: Name of the slice, `feature=value`; empty for the whole split.
      kind: `floor` requires value >= limit; `drop` requires value >= baseline - limit.
      value: The metric of the candidate, 0..1; None where undefined.
      limit: The floor, or the maximum drop, 0..1.
      baseline: The metric of the last blessed model on the same data; None where undefined.
      passed: Whether the candidate passes the rule; None if the rule was not checked.
      reason: Why the rule was not checked; empty for a checked rule.
    """

    metric: str
    slice: str = OVERALL
    kind: Literal["floor", "drop"]
    value: float | None
    limit: float
    baseline: float | None = None
    passed: bool | None
    reason: str = ""
