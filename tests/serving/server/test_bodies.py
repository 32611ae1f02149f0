"""Memory of the request bodies."""

import contextlib
import gzip
import http.client

import httpx
import pytest

from serving.server.limits import Limits

PATH = "/v1/models/discs:predict"
LIMIT = 2 * 2**20
LARGE_AT_ONCE = 8


@pytest.fixture
def server(start, tmp_path):
    return start(tmp_path, limits=Limits(body=LIMIT))


@contextlib.contextmanager
def unfinished(server, size):
    """Sends a body of `size` bytes without its last byte."""
    connection = http.client.HTTPConnection(server.server.rest, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(size))
        connection.endheaders(bytes(size - 1))
        yield connection


def held(server):
    return server.server._bodies._held


def test_large_bodies_share_a_limit_and_small_ones_do_not_need_it(server):
    with contextlib.ExitStack() as clients:
        for _ in range(LARGE_AT_ONCE):
            clients.enter_context(unfinished(server, LIMIT))
        while held(server) < LARGE_AT_ONCE * (LIMIT - 1):
            pass
        response = httpx.post(server.rest + PATH, content=bytes(LIMIT), timeout=60)
        assert response.status_code == 503
        assert response.json() == {"error": "too many large requests at once; try again later"}
        small = httpx.post(server.rest + PATH, content=bytes(1000), timeout=60)
        assert small.status_code != 503 or "too many" not in small.text
    while held(server):
        pass
    assert "too many" not in httpx.post(server.rest + PATH, content=bytes(LIMIT), timeout=60).text
    assert held(server) == 0


def test_an_inflated_body_counts_with_its_size(server):
    content = gzip.compress(bytes(LIMIT))
    headers = {"Content-Encoding": "gzip"}
    with contextlib.ExitStack() as clients:
        for _ in range(LARGE_AT_ONCE):
            clients.enter_context(unfinished(server, LIMIT))
        while held(server) < LARGE_AT_ONCE * (LIMIT - 1):
            pass
        response = httpx.post(server.rest + PATH, content=content, headers=headers, timeout=60)
        assert response.status_code == 503
        assert "too many large requests" in response.text
