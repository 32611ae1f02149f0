"""What is asked of a model server and what it answers, whatever the protocol."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import grpc

from data.errors import UnetfxError

CONNECT_TIMEOUT = 5.0
"""Seconds until a host that does not answer counts as not there."""
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_HINTS = {
    grpc.StatusCode.NOT_FOUND: "Check the model's name, and its version or label.",
    grpc.StatusCode.UNAVAILABLE: "Check the address, and whether the server is up.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Send fewer or smaller images at a time.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Allow more time, or send fewer images at a time.",
}
_LONGEST_REASON = 300  # characters: TensorFlow puts whole graphs into messages


class ServingError(UnetfxError):
    """A model server cannot be reached, refuses, or answers what no model of ours would.

    Attributes:
      status: The kind of failure, as gRPC names it. HTTP's codes are translated as TF Serving does
        (404 is NOT_FOUND, 503 UNAVAILABLE, …).
      passing: The same request may succeed a little later.
    """

    def __init__(
        self, where: str, reason: str, status: grpc.StatusCode, *, passing: bool | None = None
    ) -> None:
        """Makes the message's one line.

        Args:
          where: The address.
          reason: What is wrong.
          status: The kind of failure.
          passing: As the attribute; None for what the status says.
        """
        reason = " ".join(reason.split())[:_LONGEST_REASON].rstrip(".")
        hint = _HINTS.get(status)
        super().__init__(f"{where}: {reason}." + (f" {hint}" if hint else ""))
        self.status = status
        self.passing = status in _PASSING if passing is None else passing


class ModelAddress(NamedTuple):
    """Which model of a server is meant.

    Attributes:
      name: The model's name.
      version: Its version; None for the newest, or the label's.
      label: The label of a version (`stable`, `canary`), if no version is given.
    """

    name: str
    version: int | None = None
    label: str | None = None


class VersionStatus(NamedTuple):
    """How a version of a model is.

    Attributes:
      version: Its number.
      state: START, LOADING, AVAILABLE, UNLOADING or END.
      error: Why it could not be loaded; empty if it could.
    """

    version: int
    state: str
    error: str


class Transport(Protocol):
    """One of the protocols that TF Serving speaks. Every method raises ServingError."""

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """Calls the signature: images in, outputs by their names, each with a part per image."""

    def output_shapes(self) -> Mapping[str, Sequence[int]]:
        """Returns the shapes of the signature's outputs by their names, -1 for what may vary."""

    def status(self) -> list[VersionStatus]:
        """Returns the status of the versions that the server knows, or of the one asked for."""

    def close(self) -> None:
        """Closes the connection."""
