"""Reads the bodies of HTTP requests within the server's limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

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
          The body.

        Raises:
          RequestError: The body is too large, all large bodies together are too large, or the
            client closes the connection.
        """
        body = bytearray()
        large = 0
        try:
            async for chunk in self._chunks(request):
                body += chunk
                if len(body) > self._limit:
                    raise self._too_large()
                if len(body) > _SMALL:
                    self._held += len(body) - large
                    large = len(body)
                    if self._held > _LARGE_AT_ONCE * self._limit:
                        raise RequestError(
                            Code.TOO_MANY_REQUESTS,
                            "too many large requests at once; try again later",
                        )
            content = bytes(body)
            body.clear()
            yield content
        finally:
            self._held -= large

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
