"""The `evaluation` and `gate` sections of a config file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import SplitName, Strict

EVALUATED_SPLIT: SplitName = "test"
"""Name of the split on which models are evaluated. Training never uses this split."""
OTHER_HELD_OUT_SPLITS: tuple[SplitName, ...] = ("val",)
"""Names of the other splits that models do not learn from, although they are chosen by them."""
Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationConfig(Strict):
    """Additional slices of the `test` split for which metrics are computed.

    Attributes:
      slices: Features to slice by, such as `image/span`, or `column/scanner` for a manifest's
        `scanner` column. Each value of such a feature defines a slice, in addition to the slices
        that are chosen automatically.
    """

    slices: list[str] = Field(default=[])


class GateConfig(Strict):
    """Conditions that a model must meet on the `test` split before it is pushed.

    Attributes:
      mean_iou: Floor (minimum value, 0..1) for the mean IoU over all classes that occur in the
        ground truth or in the prediction.
      class_iou: Floors for the IoU of single classes, by class name: `{lake: 0.4}`.
      floors: Floors for other metrics, by metric name: `{mean_dice: 0.7, boundary_iou/lake: 0.2}`.
      slices: Floors within single slices, by slice name:
        `{image/source=scanner_b: {mean_iou: 0.5, iou/lake: 0.2}}`.
      max_drop: Maximum drop (0..1) in the mean IoU compared with the last blessed model on the same
        data.
      max_class_drop: Maximum drop (0..1) in the IoU of any single class compared with the last
        blessed model on the same data.
      decide: `estimate` compares the value of a metric with the limit. `sure` compares its 95 %
        confidence interval: the lower end must reach the floor, and a drop blocks the model only if
        even the smallest drop in the interval is too large. A metric without an interval is
        compared by its value. A metric of a class has an interval if at least five groups of the
        split or slice contain the class; a mean over the classes, if one of these has an interval;
        any other metric, if there are at least five groups. There is none if all groups agree.
      min_images: Minimum number of images needed to check a rule. If the `test` split or a slice
        has fewer images, its rules are not checked.
      min_pixels: Minimum number of ground-truth pixels of a class needed to check a rule about that
        class. If a class has fewer pixels, its rules are not checked.
      on_broken_baseline: What to do if the files of the last blessed model are missing or broken.
        `older` compares with the next older blessed model, `floors` checks only the floors, and
        `fail` stops the run.
    """

    mean_iou: Share | None = None
    class_iou: dict[str, Share] = Field(default={})
    floors: dict[str, Share] = Field(default={})
    slices: dict[str, dict[str, Share]] = Field(default={})
    max_drop: Share | None = None
    max_class_drop: Share | None = None
    decide: Literal["estimate", "sure"] = "estimate"
    min_images: int = Field(1, ge=1)
    min_pixels: int = Field(1, ge=1)
    on_broken_baseline: Literal["older", "floors", "fail"] = "older"

    @model_validator(mode="after")
    def _has_a_floor(self) -> Self:
        if self.mean_iou is None and not self.class_iou and not self.floors:
            raise ValueError(
                "no floor, so any model would pass. Set gate.mean_iou, gate.class_iou or "
                "gate.floors"
            )
        return self
