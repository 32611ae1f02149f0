"""Limits the number of HTTP connections, and the time to receive the head of a request."""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_SECONDS = 10.0
# HTTP and gRPC may each use a quarter of the files that the process may open. The rest is for the
# model, and for connections that are accepted before others are closed.
_SHARE = 4
# asyncio reads 256 KiB at a time otherwise, and parsing so many one-byte chunks takes a second,
# during which the server does nothing else.
_READ_BYTES = 16 * 1024


def allowed_connections(wanted: int) -> int:
    """Raises the process's limit of open files as far as possible.

    Args:
      wanted: Number of connections that the server should accept for each interface.

    Returns:
      `wanted`, or a lower number if the process may not open that many files.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard // _SHARE)


class Connection(H11Protocol):
    """An HTTP connection that cannot keep others out.

    If there are too many connections, the server closes the connection that has waited longest for
    a client to send its request. A client that does not send the head of a request in time is
    disconnected, too. `Limits.seconds` limits the time for the body.

    uvicorn creates the objects of this class, and has no such limits of its own. The class uses the
    attributes `connections`, `cycle`, `loop` and `transport` of uvicorn's protocol class.
    """

    def __init__(self, limit: int, waiting: "dict[Connection, None]", **options: Any) -> None:
        """Creates the connection.

        Args:
          limit: Maximum number of connections.
          waiting: Connections that wait for their client, the longest first; shared by all.
          **options: Arguments for uvicorn's protocol class.
        """
        super().__init__(**options)
        self._limit = limit
        self._waiting = waiting
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time limit; closes another connection if there are too many."""
        super().connection_made(transport)
        transport.max_size = _READ_BYTES  # type: ignore[attr-defined]
        self._waiting[self] = None
        self._await_head()
        if len(self.connections) > self._limit:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            # uvicorn removes it later, but it does not count any more.
            self.connections.discard(longest)
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Ends the time limit when the head of a request is complete."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
            return
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if not self.cycle.more_body:
            self._waiting.pop(self, None)

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        super().on_response_complete()
        self._waiting.pop(self, None)
        if not self.transport.is_closing():
            self._waiting[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time limit."""
        super().connection_lost(exc)
        self._waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)
