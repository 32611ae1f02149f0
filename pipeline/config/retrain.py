"""The `retrain:` section of a config file."""

import os
from typing import Annotated

from pydantic import Field, field_validator

from data.config import Strict
from data.errors import InputError

_SCHEMES = ("http://", "https://")
_AtLeast1 = Annotated[int, Field(ge=1)]


class NotifyConfig(Strict):
    """Who is notified of the result of `unetfx retrain`, as a JSON object.

    Attributes:
      webhook: URL to POST the result to, `https://…`. `$NAME` and `${NAME}` in it are replaced by
        environment variables, since such a URL is often a secret. Null for none.
      command: A program and its arguments; it gets the result on its standard input. Null for none.
      nothing_new: Whether to notify as well if there was nothing new.
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
        """Returns the URL of the webhook with environment variables replaced; None for no webhook.

        Raises:
          InputError: A variable is not set, or the result is not a URL.
        """
        if self.webhook is None:
            return None
        address = os.path.expandvars(self.webhook)
        if "$" in address or not address.startswith(_SCHEMES):
            raise InputError(
                f"retrain.notify.webhook: {self.webhook} is not a URL after its environment "
                "variables are replaced. Set the variables so that the URL begins with https://."
            )
        return address


class RetrainConfig(Strict):
    """What `unetfx retrain` does besides running the pipeline.

    Attributes:
      keep_runs: Number of newest runs whose artifacts are kept; null for all. Artifacts are never
        removed while they are served, used as the baseline, or used by one of these runs.
      keep_versions: Number of newest pushed versions to keep; null for all.
      notify: Who is notified of the result.
    """

    keep_runs: _AtLeast1 | None = 10
    keep_versions: _AtLeast1 | None = None
    notify: NotifyConfig = NotifyConfig()
