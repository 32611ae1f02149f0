"""A proxy in front of fake-gcs-server, which makes the server behave like Google Cloud Storage.

The proxy terminates the TLS connections to Google's hosts and forwards the requests to the server.
It also adds features that the server lacks: it issues tokens and rejects requests without one,
denies access to one bucket, decodes chunked request bodies, and answers batches of requests. The
proxy is a separate process, because some functions of TensorFlow hold Python's global interpreter
lock while they wait for a response.
"""

import email
import email.policy
import http.client
import json
import ssl
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

DENIED_BUCKET = "denied"
"""Name of a bucket to which every access is denied."""
_TOKEN = "token-of-the-tests"
_HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding"})


class Answer(NamedTuple):
    """A response to a request."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Proxy(ThreadingHTTPServer):
    """A proxy for TLS connections to Google's hosts."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server_port: int, certificate: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.emulator_port = server_port
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores errors of connections, because tests kill processes with open connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it delays each request by 40 ms
    server: Proxy

    def do_CONNECT(self) -> None:
        if not self.path.rpartition(":")[0].endswith(".googleapis.com"):
            self.send_error(502, "only Google's hosts are emulated")
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        body = self._read_body()
        if self.path.endswith("/token"):
            token = {"access_token": _TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            self._send(_json_answer(200, token))
        elif self.path.startswith("/batch/"):
            self._send(self._answer_batch(body))
        else:
            self._send(self._answer(self.command, self.path, self.headers, body))

    do_DELETE = do_HEAD = do_PATCH = do_POST = do_PUT = do_GET  # noqa: N815

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Checks the token and the bucket, then forwards the request to the server."""
        print(method, path, flush=True)
        if self.headers["Authorization"] != f"Bearer {_TOKEN}":
            return _refusal(401, "Anonymous caller does not have storage.objects.get access.")
        if path.partition("/b/")[2].startswith((f"{DENIED_BUCKET}/", f"{DENIED_BUCKET}?")):
            return _refusal(403, "The caller does not have storage.objects.get access.")
        server = http.client.HTTPConnection("127.0.0.1", self.server.emulator_port)
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        # Clients send the content of an upload to a URL that the server gives them. This header
        # makes the server use `https` in the URL, so that the upload also goes through the proxy.
        server.request(method, path, body, kept | {"X-Forwarded-Proto": "https"})
        answer = server.getresponse()
        content = answer.read()
        server.close()
        return Answer(answer.status, answer.reason, answer.getheaders(), content)

    def _answer_batch(self, body: bytes) -> Answer:
        """Returns a `multipart/mixed` response to a batch of requests.

        Args:
          body: The requests, as a `multipart/mixed` message. The responses have the same order.
        """
        kind = self.headers["Content-Type"].encode()
        batch = email.message_from_bytes(
            b"Content-Type: " + kind + b"\r\n\r\n" + body, policy=email.policy.HTTP
        )
        text = ""
        for part in batch.iter_parts():
            first, _, rest = part.get_payload(decode=True).partition(b"\n")
            method, path = first.decode().split()[:2]
            request = email.message_from_bytes(rest, policy=email.policy.HTTP)
            answer = self._answer(
                method, path, dict(request.items()), request.get_payload().encode()
            )
            lines = [f"{name}: {value}" for name, value in answer.headers]
            lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *lines, "", answer.body.decode()]
            text += "\r\n".join(["--batch", "Content-Type: application/http", "", *lines, ""])
        headers = [("Content-Type", "multipart/mixed; boundary=batch")]
        return Answer(200, "OK", headers, f"{text}--batch--".encode())

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers:
            if name.lower() not in _HOP_BY_HOP or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def handle_expect_100(self) -> bool:
        """Sends status 100 at once, because the client waits up to a second for it."""
        sent = super().handle_expect_100()
        self.wfile.flush()
        return sent

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *arguments: object) -> None:
        pass


def _refusal(status: int, message: str) -> Answer:
    return _json_answer(status, {"error": {"code": status, "message": message}})


def _json_answer(status: int, content: dict[str, object]) -> Answer:
    headers = [("Content-Type", "application/json")]
    body = json.dumps(content).encode()
    return Answer(status, http.HTTPStatus(status).phrase, headers, body)


if __name__ == "__main__":
    emulator_port, certificate, key = sys.argv[1:]
    with Proxy(int(emulator_port), certificate, key) as proxy:
        print(proxy.server_port, flush=True)
        proxy.serve_forever()
