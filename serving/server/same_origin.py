"""Refuses HTTP requests that another web page may have made a browser send."""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.server.errors import Code
from serving.server.json_format import write_error


class SameOrigin:
    """ASGI middleware that checks the headers Host and Origin of each request.

    A web page may send requests to any address, and its browser names the page in the header
    Origin. By DNS rebinding, the page may give its own name to the address of this server, and so
    read the responses; the browser then names the page in the header Host. Requests to an IP
    address are safe from that, since no page can give itself such a name.

    Args:
      app: The ASGI application.
      hosts: Names under which clients may reach the server, in addition to `localhost`, the name of
        this machine and IP addresses.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        names = ("localhost", socket.gethostname(), *hosts)
        self._hosts = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or responds with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(Headers(scope=scope))

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A browser must not treat a response as a script because of its content.
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        app = self._app
        if problem:
            code, text = problem
            # The body of the request has not been read, so the connection cannot be reused.
            close = {"Connection": "close"}
            app = Response(write_error(text), code.http, close, "application/json")
        await app(scope, receive, send_with_header)

    def _problem(self, headers: Headers) -> tuple[Code, str] | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if host and not self._is_known(host):
            return Code.PERMISSION_DENIED, (
                f"Host: {host} is not a name of this server. Allow it with --allow-host"
            )
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Code.PERMISSION_DENIED, f"Origin: {origin} is another page than this server's"
        if "content-length" in headers and "transfer-encoding" in headers:
            return Code.INVALID_ARGUMENT, "Content-Length and Transfer-Encoding exclude each other"
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or _is_ip_address(name)


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
