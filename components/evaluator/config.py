"""The `evaluation:` and `gate:` parts of a config file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import SplitName, Strict

EVALUATED_SPLIT: SplitName = "test"
"""The split for evaluation alone: no model is trained on it or selected by it."""
Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationConfig(Strict):
    """What is measured on `test`.

    Attributes:
      slices: Features of the examples; the metrics are also computed for each of their values, in
        addition to the slices that `components.evaluator.slices` chooses. As `image/span`, or
        `column/scanner` for a manifest's column.
    """

    slices: list[str] = Field(default=[])


class GateConfig(Strict):
    """What a model must reach on `test` before it is pushed.

    Attributes:
      mean_iou: Floor of the mean IoU over the classes that occur, 0..1.
      class_iou: Class name to the floor of its IoU.
      floors: Floors of other metrics: `{mean_dice: 0.7, boundary_iou/lake: 0.2}`.
      slices: Floors within a slice: `{image/source=scanner_b: {mean_iou: 0.5, iou/lake: 0.2}}`.
      max_drop: How far the mean IoU may fall below the last blessed model's on the same data.
      max_class_drop: How far the IoU of any class may fall below the last blessed model's.
      min_images: No rule is checked on fewer images, of `test` or of the rule's slice.
      min_pixels: No rule about a class is checked on fewer true pixels of the class.
      on_broken_baseline: What to do when the files of the last blessed model are missing or broken:
        compare with the next `older` one, check the `floors` only, or `fail`.
    """

    mean_iou: Share | None = None
    class_iou: dict[str, Share] = Field(default={})
    floors: dict[str, Share] = Field(default={})
    slices: dict[str, dict[str, Share]] = Field(default={})
    max_drop: Share | None = None
    max_class_drop: Share | None = None
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
