"""The `gate:` part of a config file."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import Strict

Share = Annotated[float, Field(ge=0, le=1)]


class GateConfig(Strict):
    """What a model must reach on `test` before it is pushed.

    Attributes:
      mean_iou: Floor of the mean IoU over the classes that occur, 0..1.
      class_iou: Class name to the floor of its IoU.
      max_drop: How far the mean IoU may fall below the last blessed model's on the same data.
      max_class_drop: How far any class's IoU may.
    """

    mean_iou: Share | None = None
    class_iou: dict[str, Share] = Field(default={})
    max_drop: Share | None = None
    max_class_drop: Share | None = None

    @model_validator(mode="after")
    def _has_a_floor(self) -> Self:
        if self.mean_iou is None and not self.class_iou:
            raise ValueError(
                "no floor, so any model would pass. Set gate.mean_iou or gate.class_iou"
            )
        return self
