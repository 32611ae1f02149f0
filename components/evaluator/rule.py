"""A rule of the gate and its result."""

from typing import Literal

from pydantic import BaseModel

from components.evaluator.results import OVERALL

FLOOR: Literal["floor"] = "floor"
"""Kind of a rule: the value must not be below a limit."""
DROP: Literal["drop"] = "drop"
"""Kind of a rule: the value must not fall too far below the baseline's."""


class Rule(BaseModel):
    """A rule of the gate and its result for one candidate.

    Attributes:
      metric: Name of the metric, as `mean_iou` or `iou/<class>`.
      slice: `feature=value`; empty for the whole split.
      kind: `floor`: value >= limit. `drop`: value >= baseline - limit.
      value: The candidate's value, 0..1; None where undefined.
      limit: The floor, or the allowed drop.
      baseline: Value of the last blessed model on the same data; None if it has none.
      passed: Whether the candidate keeps the rule; None if it was not checked.
      reason: Why the rule was not checked.
    """

    metric: str
    slice: str = OVERALL
    kind: Literal["floor", "drop"]
    value: float | None
    limit: float
    baseline: float | None = None
    passed: bool | None
    reason: str = ""
