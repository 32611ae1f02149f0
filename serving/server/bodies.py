"""Reads the bodies of HTTP requests within the server's limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from serving.server.content_encoding import decode_body
from serving.server.errors import Code, RequestError

# Bodies larger than `_SMALL` bytes share the memory of `_LARGE_AT_ONCE` bodies of the maximum size.
# So clients that send large bodies slowly can neither fill the memory nor keep small bodies out.
_SMALL = 2**20
_LARGE_AT_ONCE = 8


class Bodies:
    """Bodies of the requests that are being received or handled."""

    def __init__(self, limit: int) -> None:
        """Creates a reader that holds no bodies yet.

        Args:
          limit: Maximum size of a body, in bytes.
        """
        self._limit = limit
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Reads the body of a request, whose memory counts as in use until the context ends.

        Args:
          request: The request.

        Yields:
          The body, inflated if it is compressed.

        Raises:
          RequestError: The body is too large or not valid gzip, all large bodies together are too
            large, or the client closes the connection.
        """
        body = bytearray()
        held = 0
        try:
            async for chunk in self._chunks(request):
                body += chunk
                if len(body) > self._limit:
                    raise self._too_large()
                held = self._hold(held, len(body))
            encoding = request.headers.get("content-encoding", "")
            content = await asyncio.to_thread(decode_body, bytes(body), encoding, self._limit)
            body.clear()
            held = self._hold(held, len(content))
            yield content
        finally:
            self._held -= held

    def _hold(self, before: int, size: int) -> int:
        """Counts the size of a body, instead of its size before; returns the bytes that count."""
        after = size if size > _SMALL else 0
        if self._held + after - before > _LARGE_AT_ONCE * self._limit:
            raise RequestError(
                Code.TOO_MANY_REQUESTS, "too many large requests at once; try again later"
            )
        self._held += after - before
        return after

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit:
            raise self._too_large()
        try:
            async for chunk in request.stream():
                yield chunk
        except ClientDisconnect as error:
            raise RequestError(Code.CANCELLED, "the client closed the connection") from error

    def _too_large(self) -> RequestError:
        return RequestError(
            Code.TOO_LARGE,
            f"the request body is larger than the {self._limit} bytes that are allowed",
        )
