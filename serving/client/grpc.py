"""TF Serving's gRPC interface, from the client's side: the connection and its failures."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from serving.client.protocol import CONNECT_TIMEOUT, ModelAddress, ServingError, VersionStatus

if TYPE_CHECKING:
    from serving.client.grpc_messages import Calls

_OPTIONS = [
    # Images and masks may be larger than the 4 MiB that gRPC allows otherwise.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that restarts is soon back; gRPC's own patience grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_Answer = TypeVar("_Answer")


class GrpcTransport:
    """Speaks protocol buffers over HTTP/2. Threads may share it."""

    def __init__(self, target: str, model: ModelAddress, timeout: float) -> None:
        """Connects nothing yet.

        Args:
          target: `host:8500`.
          model: The model.
          timeout: Seconds that a request may take.
        """
        self._url = f"grpc://{target}"
        self._model = model
        self._timeout = timeout
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._calls: Calls | None = None

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """See `Transport`."""
        return self._ask(lambda calls: calls.predict(images))

    def output_shapes(self) -> Mapping[str, Sequence[int]]:
        """See `Transport`."""
        return self._ask(lambda calls: calls.output_shapes())

    def status(self) -> list[VersionStatus]:
        """See `Transport`."""
        return self._ask(lambda calls: calls.status())

    def close(self) -> None:
        """See `Transport`."""
        self._channel.close()

    def _ask(self, question: Callable[["Calls"], _Answer]) -> _Answer:
        try:
            return question(self._calls or self._reach())
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or ""
            raise ServingError(
                self._url,
                f"{status.name} for the model {self._model.name}: {details}",
                status,
                # The same message would be too large again.
                passing=False if "larger than max" in details else None,
            ) from error

    def _reach(self) -> "Calls":
        """Waits for the first connection: a call would wait for a silent host to its end."""
        try:
            grpc.channel_ready_future(self._channel).result(min(self._timeout, CONNECT_TIMEOUT))
        except grpc.FutureTimeoutError as error:
            raise ServingError(
                self._url,
                "cannot be reached (no connection)",
                grpc.StatusCode.UNAVAILABLE,
                passing=False,
            ) from error
        # Imported here: only who has reached a server needs to wait for TensorFlow.
        from serving.client.grpc_messages import Calls

        self._calls = Calls(self._channel, self._model, self._timeout)
        return self._calls
