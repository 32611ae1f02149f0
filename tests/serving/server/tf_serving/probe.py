"""Probes: requests, each with the answer of TF Serving and, if it differs, of the local server."""

import base64
import io
import json
from typing import Any, NamedTuple

from PIL import Image


class Probe(NamedTuple):
    """A request and its answers.

    Attributes:
      name: What is special about the request.
      request: Bytes of an HTTP request, or a `Call`.
      answer: TF Serving's answer: an HTTP status, the name of a gRPC status, or a text.
      says: Text in the answer of both servers, where programs may rely on it.
      here: Answer of the local server; None if it is the same as TF Serving's.
      why: Why the local server's answer differs.
      is_starting: Whether the request is sent before the first version is served.
    """

    name: str
    request: Any
    answer: int | str
    says: str = ""
    here: int | str | None = None
    why: str = ""
    is_starting: bool = False


class Call(NamedTuple):
    """A gRPC call.

    Attributes:
      method: Service and method, such as `PredictionService/Predict`.
      message: The request, or its bytes.
      response: Class of the response.
      compression: Compression of the request; None for none.
    """

    method: str
    message: Any
    response: Any
    compression: Any = None


def _red_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 1), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


RED = _red_png()
"""An image of two red pixels."""
RED_B64 = base64.b64encode(RED).decode()
ALL_RED = '"class_fraction":[1.0,0.0,0.0]'
"""Part of the answer of the newest version to this image; white space is removed."""
PREDICT = "/v1/models/discs:predict"
GOOD = json.dumps({"instances": [{"b64": RED_B64}]})
"""A request that segments the image."""


def http(method: str, path: str, body: str | bytes = b"", **headers: str) -> bytes:
    """Returns the bytes of an HTTP request; `_` in the name of a header stands for `-`."""
    content = body.encode() if isinstance(body, str) else body
    lines = {"Host": "localhost", "Content-Length": str(len(content)), "Connection": "close"}
    lines.update({name.replace("_", "-"): value for name, value in headers.items()})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def get(path: str, **headers: str) -> bytes:
    """Returns the bytes of a GET request."""
    return http("GET", path, **headers)


def post(body: str | bytes, path: str = PREDICT, **headers: str) -> bytes:
    """Returns the bytes of a POST request."""
    return http("POST", path, body, **headers)
