"""A rule of the gate, together with its result."""

from typing import Literal

from pydantic import BaseModel

from components.evaluator.slice_names import OVERALL

FLOOR: Literal["floor"] = "floor"
"""Kind of a rule that requires a minimum value."""
DROP: Literal["drop"] = "drop"
"""Kind of a rule that limits how far the value may drop below the baseline's value."""


class Rule(BaseModel):
    """A rule of the gate, together with its result for one candidate.

    Attributes:
      metric: Name of the metric, such as `mean_iou` or `iou/lake`.
      class_name: Name of the metric's class; empty for a metric over all classes, and in verdicts
        of older versions of unetfx.
      slice: Name of the slice, in the form `feature=value`; empty for the whole split.
      kind: `floor` requires value >= limit; `drop` requires value >= baseline - limit.
      value: Value of the metric for the candidate, 0..1; None if undefined.
      limit: Minimum value (for `floor`) or maximum drop (for `drop`), 0..1.
      baseline: Value of the metric for the last blessed model on the same data, 0..1; None if
        undefined or if there is no such model.
      interval: 95 % confidence interval of the value (for `floor`), or of the value minus the
        baseline's value (for `drop`); None if the groups are too few or all alike.
      groups: Number of groups in the `test` split.
      groups_needed: Estimated number of groups after which the interval would be on one side of the
        limit; None if it already is, or without an interval.
      passed: Whether the candidate passes the rule; None if the rule was not checked.
      reason: Reason why the rule was not checked; empty if it was checked.
    """

    metric: str
    class_name: str = ""
    slice: str = OVERALL
    kind: Literal["floor", "drop"]
    value: float | None
    limit: float
    baseline: float | None = None
    interval: tuple[float, float] | None = None
    groups: int = 0
    groups_needed: int | None = None
    passed: bool | None
    reason: str = ""
