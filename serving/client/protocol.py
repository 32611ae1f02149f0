"""Client types shared by REST and gRPC: the model's address, errors and the transport interface."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import grpc

from data.errors import UnetfxError, one_line

CONNECT_TIMEOUT = 5.0
"""Seconds after which a host that does not respond is considered unreachable."""
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_HINTS = {
    grpc.StatusCode.NOT_FOUND: "Check the model's name, and its version or label.",
    grpc.StatusCode.UNAVAILABLE: "Check the address, and whether the server is running.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Send fewer or smaller images at a time.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Allow more time, or send fewer images at a time.",
}


class ServingError(UnetfxError):
    """A model server cannot be reached, rejects a request, or does not serve the expected model.

    Attributes:
      status: The gRPC status code. HTTP status codes are mapped to gRPC codes as in TF Serving: 404
        becomes NOT_FOUND, 503 becomes UNAVAILABLE, and so on.
      passing: Whether the problem is temporary, so that the same request may succeed later.
    """

    _hint = ""

    def __init__(
        self, where: str, reason: str, status: grpc.StatusCode, *, passing: bool | None = None
    ) -> None:
        """Creates an error with a one-line message.

        Args:
          where: Address of the server.
          reason: Description of the problem.
          status: The gRPC status code.
          passing: Whether the problem is temporary, so that the same request may succeed later;
            None to infer this from `status`.
        """
        reason = one_line(reason).rstrip(".")
        hint = self._hint or _HINTS.get(status)
        super().__init__(f"{where}: {reason}." + (f" {hint}" if hint else ""))
        self.status = status
        self.passing = status in _PASSING if passing is None else passing


class NotReadyError(ServingError):
    """A server answers, but is overloaded or serves no version yet (HTTP 503 or UNAVAILABLE)."""

    _hint = "The server is overloaded or serves no version yet. Try again later."


class ModelAddress(NamedTuple):
    """Name and version of the model to use on a server.

    Attributes:
      name: Name of the model.
      version: Version number. None selects the version with the given label or, if there is no
        label, the newest version.
      label: Label of the version, such as `stable`; used only if `version` is None.
    """

    name: str
    version: int | None = None
    label: str | None = None


class VersionStatus(NamedTuple):
    """Status of one version of a model on a server.

    Attributes:
      version: Version number.
      state: START, LOADING, AVAILABLE, UNLOADING or END.
      error: Reason why the version could not be loaded; empty if there is no error.
    """

    version: int
    state: str
    error: str


class Transport(Protocol):
    """Sends requests to a server over REST or gRPC. Any request may raise `ServingError`."""

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """Segments images and returns the outputs, keyed by name, each with one item per image."""

    def output_shapes(self) -> Mapping[str, Sequence[int]]:
        """Returns the shapes of the `serving_default` outputs, keyed by name; -1 means any size."""

    def status(self) -> list[VersionStatus]:
        """Returns the status of the requested version, or of all versions if no number is given."""

    def close(self) -> None:
        """Closes the connection to the server."""
