"""Lets ServingCheck start its process with TensorFlow already imported, which takes half the time.

A process is forked by a server if the environment variable names the server's socket. Otherwise,
and in a pod, where the socket does not exist, the process starts as usual.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.serving_check import component
from tests import probe_server

SOCKET = "UNETFX_TEST_PROBES"
_start = component.run_probe


@contextlib.contextmanager
def running(path: Path) -> Iterator[None]:
    """Runs the server with a socket at the path."""
    command = [sys.executable, "-m", probe_server.__name__, path]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            server.terminate()


def _run_probe(model: str, folder: str) -> subprocess.CompletedProcess[str]:
    path = os.environ.get(SOCKET)
    if path is None or not Path(path).exists():
        return _start(model, folder)
    with tempfile.NamedTemporaryFile() as output, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = [[probe_server.PROBE, model, folder], dict(os.environ), output.name]
        connection.sendall(json.dumps(request).encode() + b"\n")
        code = 0 if connection.recv(1) else 1
        return subprocess.CompletedProcess([], code, stderr=Path(output.name).read_text())


component.run_probe = _run_probe
