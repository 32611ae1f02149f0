"""Client side of TF Serving's gRPC interface: handles the connection and its errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from serving.client.protocol import (
    CONNECT_TIMEOUT,
    ModelAddress,
    NotReadyError,
    ServingError,
    VersionStatus,
)

if TYPE_CHECKING:
    from serving.client.grpc_messages import Calls

_OPTIONS = [
    # Requests and responses with large images can exceed gRPC's default limit of 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # By default, the pause between gRPC's connection attempts grows to two minutes, which is far
    # too long to wait for a server that has restarted.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_Answer = TypeVar("_Answer")


class GrpcTransport:
    """The gRPC transport: protocol buffers over HTTP/2. Several threads may share a transport."""

    def __init__(self, target: str, model: ModelAddress, timeout: float) -> None:
        """Creates a transport without connecting to the server.

        Args:
          target: Address of the server, such as `host:8500`.
          model: Name and version of the model to use.
          timeout: Maximum duration of a request, in seconds.
        """
        self._url = f"grpc://{target}"
        self._model = model
        self._timeout = timeout
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._calls: Calls | None = None

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """Segments images and returns the outputs, keyed by name; see `Transport`."""
        return self._run(lambda calls: calls.predict(images))

    def output_shapes(self) -> Mapping[str, Sequence[int]]:
        """Returns the shapes of the `serving_default` outputs, keyed by name; see `Transport`."""
        return self._run(lambda calls: calls.output_shapes())

    def status(self) -> list[VersionStatus]:
        """Returns the status of the model's versions; see `Transport`."""
        return self._run(lambda calls: calls.status())

    def close(self) -> None:
        """Closes the connection to the server; see `Transport`."""
        self._channel.close()

    def _run(self, call: Callable[["Calls"], _Answer]) -> _Answer:
        try:
            return call(self._calls or self._connect())
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or ""
            kind = NotReadyError if status is grpc.StatusCode.UNAVAILABLE else ServingError
            raise kind(
                self._url,
                f"{status.name} for the model {self._model.name}: {details}",
                status,
                # A message that is too large would fail again, so the request is not repeated.
                passing=False if "larger than max" in details else None,
            ) from error

    def _connect(self) -> "Calls":
        """Waits at most 5 seconds for the first connection, to report an unreachable host early."""
        try:
            grpc.channel_ready_future(self._channel).result(min(self._timeout, CONNECT_TIMEOUT))
        except grpc.FutureTimeoutError as error:
            raise ServingError(
                self._url,
                "cannot be reached (no connection)",
                grpc.StatusCode.UNAVAILABLE,
                passing=False,
            ) from error
        # Importing this module loads TensorFlow, so it is imported only after the server has been
        # reached.
        from serving.client.grpc_messages import Calls

        self._calls = Calls(self._channel, self._model, self._timeout)
        return self._calls
