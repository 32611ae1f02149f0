"""Health check of the container image."""

import socket

import pytest

from serving.server.health import check


def port_of(running):
    return running.rest.rpartition(":")[2]


@pytest.mark.parametrize("command", [["unetfx", "retrain"], ["python", "-m", "step"], [""]])
def test_a_command_that_serves_nothing_is_healthy(command):
    assert check(command) is None


def test_a_server_that_does_not_answer_is_not_healthy():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    problem = check(["unetfx", "serve", "--rest-port", str(port)])
    assert problem.startswith(f"http://127.0.0.1:{port}/readyz: no answer (")


def test_a_server_is_healthy_when_it_serves_a_version(start, tmp_path, push, saved_model):
    running = start(tmp_path / "discs")
    command = ["unetfx", "serve", "--host=0.0.0.0", f"--rest-port={port_of(running)}"]
    assert check(command) == f"{running.rest}/readyz: no version is served yet"
    push(saved_model, tmp_path / "discs", 1)
    running.wait(1)
    assert check(command) is None
    assert check(["unetfx", "serve", "--rest-port", port_of(running)]) is None
