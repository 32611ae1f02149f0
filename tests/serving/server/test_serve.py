"""`unetfx serve`, as a user starts and stops it."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
import yaml

from tests import warm_process
from tests.warm_process import UNETFX

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path):
    config = {
        "name": "discs",
        "workspace": str(tmp_path / "runs"),
        "data": {
            "source": {"kind": "folder", "path": "x"},
            "classes": ["red", "green", "blue"],
        },
        "gate": {"mean_iou": 0.5},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.fixture
def serve(project):
    """Starts the command and returns the process and a queue of its output lines."""
    started = []

    def serve(*options):
        command = [str(Path(sys.executable).parent / "unetfx"), "serve", *map(str, options)]
        process = subprocess.Popen(
            [*command, "--config", str(project / "config.yaml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        started.append(process)
        lines = queue.Queue()
        reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout])
        reader.start()
        return process, lines

    yield serve
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def until(lines, pattern):
    """Returns the match in the first line that contains the pattern."""
    while True:
        line = lines.get(timeout=300)
        if found := re.search(pattern, line):
            return found


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped_and_finishes_what_runs(
    serve, project, push, sliding_model, start_slow_request, stop
):
    process, lines = serve("--rest-port", 0, "--grpc-port", 0)
    first = until(lines, "local server.*use TF Serving in production")
    assert re.match(r"\d\d:\d\d:\d\d ", first.string)
    address = until(lines, r"page (http://127.0.0.1:\d+)/ ")[1]
    until(lines, "no version there yet; waiting for a push")
    push(sliding_model, project / "runs/discs/serving/discs", 1)
    until(lines, "serving version 1: ")
    answer = start_slow_request(address, "/v1/models/discs:predict")
    process.send_signal(stop)
    until(lines, "stopping")
    assert process.wait(300) == 0
    assert answer.result() == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def serve_to_the_end(project, *options):
    """Runs the command to its end."""
    config = ["--config", project / "config.yaml"]
    return warm_process.run(UNETFX, ["unetfx", "serve", *config, *options])


@pytest.mark.parametrize("option", ["--rest-port", "--grpc-port"])
def test_a_port_that_another_server_has_is_one_line(project, start, tmp_path, option):
    other = start(tmp_path / "none").server
    taken = other.rest if option == "--rest-port" else other.grpc
    ports = {"--rest-port": 0, "--grpc-port": 0} | {option: taken.rsplit(":")[-1]}
    done = serve_to_the_end(project, *[part for pair in ports.items() for part in pair])
    assert done.code == 2
    [line] = [line for line in done.output.splitlines() if line.startswith("unetfx: ")]
    assert f"{taken}: cannot listen on this address" in line
    assert option in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "stable"], "--label stable: should be a name and a version"),
        (["--label", "stable=x"], "as in stable=3"),
        (["--host", "192.0.2.1"], "192.0.2.1:8501: cannot listen on this address"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such config file"),
    ],
)
def test_wrong_options_are_one_line(project, options, message):
    done = serve_to_the_end(project, *options)
    assert done.code == 2
    last = done.output.splitlines()[-1]
    assert last.startswith("unetfx: ")
    assert message in last
