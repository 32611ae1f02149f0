"""Base class for the sections of the config, and a type for positive numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Immutable base class for config sections that rejects unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number greater than 0."""
