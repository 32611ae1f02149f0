"""What a web page may make a browser do to the server."""

import socket

import httpx
import pytest


@pytest.fixture(scope="module")
def running(start, tmp_path_factory):
    return start(tmp_path_factory.mktemp("empty"), hosts=["Models.example.org"])


def get(running, **headers):
    return httpx.get(f"{running.rest}/healthz", headers=headers)


def port(running):
    return running.server.rest.rpartition(":")[2]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost:8501",
        "LOCALHOST",
        "192.168.1.7:8501",
        "[::1]:8501",
        "models.example.org:443",
        socket.gethostname(),
    ],
)
def test_names_of_the_server_and_ip_addresses_are_answered(running, host):
    response = get(running, Host=host)
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "localhost.evil.example", "1.2.3.4.evil", "[::1"]
)
def test_other_names_are_refused(running, host):
    response = get(running, Host=host)
    assert response.status_code == 403
    assert response.json()["error"].endswith("Allow it with --allow-host")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_only_its_own_page_may_send_requests(running):
    own = running.server.rest
    assert get(running, Origin=f"http://{own}").status_code == 200
    proxied = {"Host": "models.example.org", "Origin": "https://models.example.org"}
    assert get(running, **proxied).status_code == 200
    for origin in ("http://evil.example", f"http://localhost:{port(running)}", "null", ""):
        assert get(running, Origin=origin).status_code == 403


def test_a_post_of_another_page_is_not_read(running):
    body = {"instances": [{"b64": ""}]}
    url = f"{running.rest}/v1/models/discs:predict"
    response = httpx.post(url, json=body, headers={"Origin": "http://evil.example"})
    assert response.status_code == 403
    assert response.headers["Connection"] == "close"


def test_a_body_has_one_length(running):
    host, _, number = running.server.rest.rpartition(":")
    request = (
        f"POST /v1/models/discs:predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with socket.create_connection((host, int(number)), 30) as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
