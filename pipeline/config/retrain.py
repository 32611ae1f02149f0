"""The `retrain:` section of a config file."""

import os
from typing import Annotated

from pydantic import Field, field_validator

from data.config import Strict
from data.config.base import InputPath
from data.errors import InputError

_SCHEMES = ("http://", "https://")
_AtLeast1 = Annotated[int, Field(ge=1)]


class NotifyConfig(Strict):
    """Recipients of the `unetfx retrain` result, which is sent as a JSON object.

    Attributes:
      webhook: URL (`https://…`) to which the result is sent in a POST request. `$NAME` and
        `${NAME}` in the URL are replaced with the values of environment variables, so that a secret
        URL need not be in the config file. Null for no webhook.
      command: A program and its arguments. The program receives the result on its standard input.
        Null for no program.
      nothing_new: Whether to notify the recipients even if nothing has changed since the last
        retraining.
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
        """Returns the webhook's URL with environment variables expanded; None for no webhook.

        Raises:
          InputError: An environment variable is not set, or the result is not an HTTP or HTTPS URL.
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
    """Artifacts that `unetfx retrain` keeps, and recipients of its notifications.

    Attributes:
      keep_runs: Number of most recent runs whose artifacts are kept; null to keep the artifacts of
        all runs. Runs that share a report count as one run. The models of pushed versions, the
        baseline, and artifacts that a kept run used are never removed.
      keep_versions: Number of most recent pushed versions to keep; null to keep all versions.
      request_log: Folder of the log that `unetfx serve --log` or a client of TF Serving writes. The
        requests are compared with the training data, and notifications tell of drift. Null for no
        comparison.
      notify: Recipients of the result.
    """

    keep_runs: _AtLeast1 | None = 10
    keep_versions: _AtLeast1 | None = None
    request_log: Annotated[InputPath, Field(min_length=1)] | None = None
    notify: NotifyConfig = NotifyConfig()
