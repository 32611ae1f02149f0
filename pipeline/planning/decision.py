"""A decision of `unetfx init`, with its reason."""

from typing import NamedTuple


class Decision(NamedTuple):
    """A part of the plan.

    Attributes:
      subject: Part of the config, such as `classes`.
      seen: Observation in the data that is the reason for the decision.
      decided: Value in the config, in words.
    """

    subject: str
    seen: str
    decided: str
