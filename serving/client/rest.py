"""Client side of TF Serving's REST interface (tensorflow.org/tfx/serving/api_rest)."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import grpc
import httpx

from data.http_client import http_client
from serving.client.protocol import (
    CONNECT_TIMEOUT,
    ModelAddress,
    NotReadyError,
    ServingError,
    VersionStatus,
)
from serving.signature import IMAGES, SIGNATURE

# Maps HTTP status codes to gRPC codes: the inverse of `ToHTTPStatusCode` in TF Serving's
# http_server.cc.
_STATUSES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.INVALID_ARGUMENT,  # sent by proxies and the local server
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class RestTransport:
    """The REST transport: JSON over HTTP. Several threads may share a transport."""

    def __init__(self, url: str, model: ModelAddress, timeout: float) -> None:
        """Creates a transport without connecting to the server.

        Args:
          url: Address of the server, such as `http://host:8501`, with a path if the server is
            behind a gateway.
          model: Name and version of the model to use.
          timeout: Maximum time to wait for the next part of a response, in seconds.
        """
        self._url = url.rstrip("/")
        self._model = f"/v1/models/{quote(model.name, safe='')}"
        self._version = "" if model.version is None else f"/versions/{model.version}"
        self._label = "" if model.label is None else f"/labels/{quote(model.label, safe='')}"
        self._timeout = timeout
        self._client = http_client(httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)))

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """Segments images and returns the outputs, keyed by name; see `Transport`."""
        rows = [{IMAGES: {"b64": base64.b64encode(image).decode("ascii")}} for image in images]
        document = self._request(
            "POST",
            f"{self._model}{self._version or self._label}:predict",
            {"signature_name": SIGNATURE, "instances": rows},
        )
        try:
            return _columns(document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._not_understood() from error

    def output_shapes(self) -> Mapping[str, Sequence[int]]:
        """Returns the shapes of the `serving_default` outputs, keyed by name; see `Transport`."""
        document = self._request("GET", f"{self._model}{self._version or self._label}/metadata")
        try:
            signatures = document["metadata"]["signature_def"]["signature_def"]
            outputs = signatures.get(SIGNATURE, {}).get("outputs", {})
            return {
                name: [int(size["size"]) for size in output["tensor_shape"].get("dim", ())]
                for name, output in outputs.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._not_understood() from error

    def status(self) -> list[VersionStatus]:
        """Returns the status of the model's versions; see `Transport`."""
        document = self._request("GET", self._model + self._version)
        try:
            return [
                VersionStatus(
                    int(version["version"]),
                    version["state"],
                    version.get("status", {}).get("error_message", ""),
                )
                for version in document["model_version_status"]
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._not_understood() from error

    def close(self) -> None:
        """Closes the connection to the server; see `Transport`."""
        self._client.close()

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            response = self._client.request(method, self._url + path, json=body)
        except httpx.ConnectTimeout as error:
            raise self._unreachable("no response", passing=False) from error
        except httpx.TimeoutException as error:
            raise ServingError(
                self._url,
                f"no response within {self._timeout:g} s",
                grpc.StatusCode.DEADLINE_EXCEEDED,
            ) from error
        except httpx.TransportError as error:
            reason = _ERROR_NUMBER.sub("", str(error)) or type(error).__name__
            raise self._unreachable(reason) from error
        try:
            document = response.json()
        except ValueError as error:
            if response.is_success:
                raise self._not_understood() from error
            document = response.reason_phrase
        if not response.is_success:
            code = response.status_code
            if isinstance(document, dict):
                document = document.get("error", document)
            status = _STATUSES.get(code, grpc.StatusCode.UNKNOWN)
            kind = NotReadyError if status is grpc.StatusCode.UNAVAILABLE else ServingError
            raise kind(self._url, f"HTTP {code} for {path}: {document}", status)
        return document

    def _unreachable(self, reason: str, *, passing: bool = True) -> ServingError:
        return ServingError(
            self._url,
            f"cannot be reached ({reason})",
            grpc.StatusCode.UNAVAILABLE,
            passing=passing,
        )

    def _not_understood(self) -> ServingError:
        return ServingError(
            self._url,
            "the response is not TF Serving's; is this the REST port (8501) of a model server?",
            grpc.StatusCode.FAILED_PRECONDITION,
        )


def _columns(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Converts a response in the row or column format to lists of output values, keyed by name."""
    if "outputs" in document:
        columns = {name: list(parts) for name, parts in document["outputs"].items()}
    else:
        rows = document["predictions"]
        columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return {
        name: [base64.b64decode(part["b64"]) for part in parts] if _is_binary(name) else parts
        for name, parts in columns.items()
    }


def _is_binary(name: str) -> bool:
    return name.endswith("_bytes")
