"""The part of a config file that says what scheduled turns keep, and whom they tell."""

import os
from typing import Annotated

from pydantic import Field, field_validator

from data.config import Strict
from data.errors import InputError

_SCHEMES = ("http://", "https://")
_AtLeast1 = Annotated[int, Field(ge=1)]


class NotifyConfig(Strict):
    """Who is told what came of a turn, as one JSON object.

    Attributes:
      webhook: An address to POST it to, `https://…`. `$NAME` and `${NAME}` in it stand for
        environment variables: such addresses are often secrets. Null for none.
      command: A program and its arguments, which gets it on its standard input. Null for
        none.
      nothing_new: Also tells of turns that found nothing new.
    """

    webhook: str | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    nothing_new: bool = False

    @field_validator("webhook")
    @classmethod
    def _is_an_address(cls, webhook: str | None) -> str | None:
        if webhook is not None and not webhook.startswith((*_SCHEMES, "$")):
            raise ValueError(f"should begin with https:// or http://, found {webhook!r}")
        return webhook

    def address(self) -> str | None:
        """Returns the webhook's address with the environment's values; None for no webhook.

        Raises:
          InputError: A variable is not set, or its value is no address.
        """
        if self.webhook is None:
            return None
        address = os.path.expandvars(self.webhook)
        if "$" in address or not address.startswith(_SCHEMES):
            raise InputError(
                f"retrain.notify.webhook: {self.webhook} is no address with this environment. Set "
                "the variable to the whole https://… address."
            )
        return address


class RetrainConfig(Strict):
    """What `unetfx retrain` does beside the run itself.

    Attributes:
      keep_runs: Of how many runs, the newest, the artifacts are kept; null for all. What is
        served, compared with, or read by a kept run stays in any case.
      keep_versions: How many pushed versions are kept, the newest; null for all.
      notify: Who is told what came of a turn.
    """

    keep_runs: _AtLeast1 | None = 10
    keep_versions: _AtLeast1 | None = None
    notify: NotifyConfig = NotifyConfig()
