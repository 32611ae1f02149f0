"""Sends the outcome of a retraining to a webhook and to a command."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

import httpx
import tenacity

from data.config import Strict
from data.errors import UnavailableError, one_line
from data.http_client import http_client
from pipeline.config.retrain import NotifyConfig

Outcome = Literal["pushed", "not_blessed", "does_not_serve", "failed", "bad_input", "nothing_new"]
_ATTEMPTS, _FIRST_WAIT = 4, 0.5  # 4 attempts, with pauses of 0.5, 1 and 2 seconds
_WEBHOOK_TIMEOUT, _COMMAND_TIMEOUT = 10.0, 60.0  # time limits in seconds
_TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})  # HTTP status codes of temporary failures
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
_LONGEST_OUTPUT = 200  # maximum length of a command's output in a message, in characters


class Notice(Strict):
    """The outcome of a retraining, which is sent as a JSON object.

    Attributes:
      text: One-line summary. Slack and Mattermost display the value of this key.
      pipeline: Name of the pipeline.
      outcome: `pushed`, `not_blessed` (refused by the gate), `does_not_serve` (refused by
        ServingCheck), `failed` (unexpected failure), `bad_input` (invalid data or config) or
        `nothing_new`.
      reasons: Reasons why no model was pushed, one line each.
      doubts: Rules of the gate that were not checked or pass without certainty, one line each, and
        a line with those that were decided without an interval.
      drift: A sentence for each number in which the newest logged requests differ from the training
        data of the newest pushed model; see `retrain.request_log`.
      news: A short name for each change to the data, config or code since the last retraining.
      run: ID of the pipeline run; None if no run finished.
      metrics: Metrics on the test split, by name (None if undefined); empty if no run finished.
      intervals: 95 % confidence intervals of these metrics, by name; metrics without an interval
        are left out.
      report: Path of the report's page; None if no run finished.
      version: Folder of the pushed version; None if no model was pushed.
      host: Name of the machine that ran the retraining.
      began: Date and time at which the retraining began, with the offset from UTC.
      ended: Date and time at which the retraining ended, with the offset from UTC.
    """

    text: str
    pipeline: str
    outcome: Outcome
    reasons: list[str]
    doubts: list[str]
    drift: list[str]
    news: list[str]
    run: str | None
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Sequence[float]]
    report: str | None
    version: str | None
    host: str
    began: str
    ended: str


def send_notice(notice: Notice, notify: NotifyConfig) -> list[str]:
    """Sends a notice to the webhook and the command in the config.

    If the request to the webhook fails temporarily, it is repeated, up to four attempts in total.
    Failures are returned, not raised.

    Args:
      notice: The notice, which is sent as JSON.
      notify: The webhook and the command (`retrain.notify` in the config).

    Returns:
      A line for each recipient that could not be notified, with the reason.
    """
    body = notice.model_dump_json()
    problems = []
    if address := notify.address():
        problems.append(_post(address, body))
    if notify.command:
        problems.append(_run(notify.command, body))
    return [problem for problem in problems if problem]


def _post(address: str, body: str) -> str | None:
    # Messages contain only the host name of the URL, because the path is often a secret.
    webhook = f"the webhook at {urlsplit(address).hostname}"
    post = tenacity.retry(
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(_FIRST_WAIT),
        retry=tenacity.retry_if_exception(_is_temporary),
        reraise=True,
    )(_post_once)
    try:
        post(address, body)
    except httpx.HTTPStatusError as error:
        return f"{webhook} was not notified: it answered with status {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, UnavailableError) as error:
        reason = _ERROR_NUMBER.sub("", str(error)) or type(error).__name__
        return f"{webhook} was not notified: {reason}"
    return None


def _post_once(address: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    with http_client(_WEBHOOK_TIMEOUT) as client:
        client.post(address, content=body, headers=headers).raise_for_status()


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _TEMPORARY
    return isinstance(error, httpx.TransportError)


def _run(command: list[str], body: str) -> str | None:
    name = f"the command {command[0]}"
    try:
        # This is safe: the command comes from the user's own config and runs without a shell.
        process = subprocess.run(  # noqa: S603
            command,
            input=body,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_COMMAND_TIMEOUT,
            check=False,
        )
    except OSError as error:
        return f"{name} was not started: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {_COMMAND_TIMEOUT:g} s"
    if process.returncode == 0:
        return None
    output = one_line(process.stdout, len(process.stdout))[-_LONGEST_OUTPUT:]
    return f"{name} failed with exit code {process.returncode}{f': {output}' if output else ''}"
