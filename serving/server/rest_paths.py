"""Parses the paths of TF Serving's REST interface.

TF Serving matches the undecoded path together with the query string, and decodes the model name and
the label afterwards (`http_rest_api_util.cc`, `evhttp_request.cc`). So does this module.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

from serving.model.versions import GREATEST_VERSION
from serving.server.errors import Code, RequestError

_API = re.compile(r"/v1/.*", re.I)
# In Python, `\d` would match the digits of all scripts.
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<verb>classify|regress|predict)", re.I
)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<verb>metadata))?", re.I)


class Target(NamedTuple):
    """The part of a request that its path holds.

    Attributes:
      name: Name of the model; empty if the path has none.
      version: Version number; None if the path has none.
      label: Version label; None if the path has none.
      verb: `predict`, `classify` or `regress` for POST; `metadata` or `status` for GET.
    """

    name: str
    version: int | None
    label: str | None
    verb: str


def is_api_path(path: str) -> bool:
    """Returns whether a path belongs to the REST interface."""
    return _API.fullmatch(path) is not None


def parse_path(method: str, path: str) -> Target:
    """Parses the path of a request.

    Args:
      method: HTTP method.
      path: Undecoded path, with the query string.

    Returns:
      The model, the version and the verb.

    Raises:
      RequestError: The method and the path are not of the REST interface, or the version number has
        more than 64 bits.
    """
    pattern = {"POST": _POST, "GET": _GET}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    # The letters of the path may be upper-case, those of the verb of a POST request may not.
    if match is None or (method == "POST" and not match["verb"].islower()):
        raise RequestError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
    verb = match["verb"]
    if method == "GET":
        verb = "metadata" if verb == "metadata" else "status"
    label = match["label"]
    return Target(
        unquote(match["name"] or ""),
        _number(match["version"]),
        None if label is None else unquote(label),
        verb,
    )


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    digits = version.lstrip("0") or "0"
    # The length is checked first, because Python converts at most 4300 digits.
    if len(digits) > len(str(GREATEST_VERSION)) or int(digits) > GREATEST_VERSION:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric."
        )
    return int(digits)
