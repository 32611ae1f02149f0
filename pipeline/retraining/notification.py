"""Tells others what came of a turn: a webhook, a command."""

import re
import subprocess
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import httpx
import tenacity

from data.config import Strict
from pipeline.config.retrain import NotifyConfig

Outcome = Literal["pushed", "not_blessed", "does_not_serve", "failed", "bad_input", "nothing_new"]
_ATTEMPTS, _FIRST_WAIT = 4, 0.5  # seconds: 0.5, 1 and 2 between them
_WEBHOOK_TIMEOUT, _COMMAND_TIMEOUT = 10.0, 60.0  # seconds
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
_LONGEST = 200  # characters of what a command says


class Notice(Strict):
    """What came of a turn.

    Attributes:
      text: All of it in a line, under the name that chat services read.
      pipeline: The pipeline's name.
      outcome: `pushed`; `not_blessed` by the gate; `does_not_serve`, by ServingCheck; `failed`,
        unexpectedly; `bad_input`, wrong data or config; `nothing_new`.
      reasons: Why it was not pushed, a line each.
      news: What was new, a few words each.
      run: Id of the run; None if it did not go to its end.
      metrics: Metric name to the model's value on `test`, None where undefined; empty likewise.
      report: Path of the report's page; None likewise.
      version: Folder of the pushed version; None if nothing was pushed.
      host: The machine that did it.
      began: Date and time, with the offset from UTC.
      ended: The same.
    """

    text: str
    pipeline: str
    outcome: Outcome
    reasons: list[str]
    news: list[str]
    run: str | None
    metrics: Mapping[str, float | None]
    report: str | None
    version: str | None
    host: str
    began: str
    ended: str


def tell(notice: Notice, notify: NotifyConfig) -> list[str]:
    """Sends a notice to whom the config names. What fails is tried again, and then only said.

    Args:
      notice: What came of a turn.
      notify: Who is told.

    Returns:
      What did not get through, and why: a line for each.
    """
    body = notice.model_dump_json()
    problems = []
    if address := notify.address():
        problems.append(_post(address, body))
    if notify.command:
        problems.append(_start(notify.command, body))
    return [problem for problem in problems if problem]


def _post(address: str, body: str) -> str | None:
    where = f"the webhook at {urlsplit(address).hostname}"  # its path is often a secret
    post = tenacity.retry(
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(_FIRST_WAIT),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )(_post_once)
    try:
        post(address, body)
    except httpx.HTTPStatusError as error:
        return f"{where} was not told: it answers {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = _ERROR_NUMBER.sub("", str(error)) or type(error).__name__
        return f"{where} was not told: {said}"
    return None


def _post_once(address: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    httpx.post(address, content=body, headers=headers, timeout=_WEBHOOK_TIMEOUT).raise_for_status()


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _PASSING
    return isinstance(error, httpx.TransportError)


def _start(command: list[str], body: str) -> str | None:
    where = f"the command {command[0]}"
    try:
        done = subprocess.run(  # noqa: S603, the config names it, and no shell reads it
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
        return f"{where} was not told: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{where} did not end within {_COMMAND_TIMEOUT:g} s"
    if done.returncode == 0:
        return None
    said = " ".join(done.stdout.split())[-_LONGEST:]
    return f"{where} failed with code {done.returncode}{f': {said}' if said else ''}"
