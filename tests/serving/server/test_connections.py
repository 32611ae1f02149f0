"""Limits on connections and on the time to receive a head."""

import base64
import contextlib
import http.client
import resource
import socket
import threading
from asyncio import selector_events

import httpx
import pytest

from serving.server import connections
from serving.server.connections import allowed_connections
from serving.server.limits import Limits

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nX:"
HALF_A_REQUEST = (
    b"POST /v1/models/discs:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
)
MANY = 20
FEW = 5


@pytest.fixture
def server(start, tmp_path):
    return start(tmp_path, limits=Limits(connections=FEW, seconds=1))


def connect(server, data):
    """Returns a new connection on which the server has received some bytes."""
    host, port = server.server.rest.split(":")
    connection = socket.create_connection((host, int(port)), 60)
    connection.sendall(data)
    return connection


def answer(connection):
    """Reads until the server closes the connection; returns b"" if it has sent nothing."""
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: connection.recv(1000), b""))
    return b""


@pytest.mark.parametrize(
    "data",
    [b"", HALF_A_HEAD, HALF_A_REQUEST],
    ids=["nothing", "half a head", "half a request"],
)
def test_the_connection_that_has_waited_longest_makes_room(server, data):
    with contextlib.ExitStack() as clients:
        waiting = [clients.enter_context(connect(server, data)) for _ in range(MANY)]
        assert httpx.get(f"{server.rest}/healthz").text == "ok\n"
        for connection in waiting[: MANY - FEW]:
            assert not answer(connection)


def test_a_request_that_runs_is_never_closed(server, push, saved_model, tmp_path, picture):
    push(saved_model, tmp_path, 7)
    server.wait(7)
    ended = threading.Event()
    server.server._executor.submit(ended.wait)
    request = threading.Thread(target=lambda: statuses.append(predict(server, picture)))
    statuses = []
    with contextlib.ExitStack() as clients:
        request.start()
        while not server.server._predictor._running:
            pass
        for _ in range(MANY):
            clients.enter_context(connect(server, b""))
        httpx.get(f"{server.rest}/healthz")
        ended.set()
        request.join()
    assert statuses == [200]


def predict(server, picture):
    body = {"instances": [{"b64": base64.b64encode(picture()).decode()}]}
    return httpx.post(f"{server.rest}/v1/models/discs:predict", json=body, timeout=60).status_code


@pytest.fixture
def hurried(monkeypatch, server):
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    return server


def test_the_head_of_a_request_has_a_time_limit(hurried):
    with connect(hurried, HALF_A_HEAD) as connection:
        assert not answer(connection)


def test_each_byte_does_not_prolong_the_time_limit(hurried):
    def send_bytes(connection):
        while True:
            connection.sendall(b"x")

    with connect(hurried, HALF_A_HEAD) as connection, pytest.raises(ConnectionError):
        send_bytes(connection)


def test_asyncio_has_the_size_of_a_read():
    """The server makes it smaller; under another name, that would have no effect."""
    assert isinstance(selector_events._SelectorSocketTransport.max_size, int)


def test_the_time_limit_starts_again_with_the_next_request(hurried):
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(hurried, whole) as connection:
        while b"ok" not in connection.recv(1000):
            pass
        connection.sendall(whole[:-1])
        assert not answer(connection)


def test_an_idle_connection_is_kept(hurried):
    connection = http.client.HTTPConnection(hurried.server.rest)
    with contextlib.closing(connection):
        for _ in range(2):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
            threading.Event().wait(0.3)


def test_unfinished_requests_do_not_keep_the_server_from_stopping(server):
    with connect(server, HALF_A_HEAD) as first, connect(server, HALF_A_REQUEST) as second:
        httpx.get(f"{server.rest}/healthz")
        server.stop()
        assert not answer(first)
        answer(second)


def test_the_limit_of_open_files_is_raised(monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 500), hard))
    try:
        assert allowed_connections(10**9) == hard // 4
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert allowed_connections(3) == 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
