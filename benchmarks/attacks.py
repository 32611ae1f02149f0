"""Measures what requests that are made to be expensive cost the local server.

    python -m benchmarks.attacks [--megabytes 60]

A server with a small network, which may open 1024 files, receives one request of each kind. The
table has the status of the response, the seconds until it arrives, the longest time that `/healthz`
takes meanwhile, and the memory that the server and its processes need in addition. At the end,
clients send half of a head or of a body each, and a good request is sent.
"""

import argparse
import base64
import contextlib
import http.client
import io
import json
import logging
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
from PIL import Image
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import predict_pb2

from benchmarks.fresh_process import measure

_MB = 2**20
_NAME = "attacked"
_PREDICT = f"/v1/models/{_NAME}:predict"
_CONNECTIONS, _OPEN_FILES = 1300, 1024
_SIZE = 32


def main() -> None:
    """Runs all attacks and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=60, help="size of a request")
    for job in ("serve", "export"):
        parser.add_argument(f"--{job}", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve)
    elif arguments.export:
        _export(arguments.export)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            measure("benchmarks.attacks", "--export", scratch)
            with _server(Path(scratch)) as (process, rest, rpc):
                _attack(process, rest, rpc, arguments.megabytes * _MB)


def _attack(process: int, rest: str, rpc: str, size: int) -> None:
    print(f"{'request':32}{'MB':>5}  {'status':20}{'seconds':>8}{'healthz ms':>12}{'MiB':>7}")
    for name, body in _json_requests(size):
        with _Watch(process, rest) as watch:
            status = str(_post(rest, body))
        _print(name, len(body), status, watch)
    with _Watch(process, rest) as watch:
        status = _post_byte_by_byte(rest, size // 10)
    _print("body in chunks of a byte", size // 10, status, watch)
    for name, message in _messages(size):
        with _Watch(process, rest) as watch:
            status = _call(rpc, message)
        _print(f"gRPC: {name}", len(message), status, watch)
    for what, data in (
        ("heads", b"POST / HTTP/1.1\r\nX:"),
        (
            "bodies",
            f"POST {_PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n".encode(),
        ),
    ):
        with _Watch(process, rest) as watch, contextlib.ExitStack() as clients:
            for _ in range(_CONNECTIONS):
                clients.enter_context(_unfinished(rest, data))
            status = str(_post(rest, _good_request()))
        _print(f"{_CONNECTIONS} unfinished {what}", 0, status, watch)


def _json_requests(size: int) -> Iterator[tuple[str, bytes]]:
    def instances(*parts: bytes) -> bytes:
        return b'{"instances":[' + b"".join(parts) + b"]}"

    def probabilities(*parts: bytes) -> bytes:
        return b'{"signature_name":"probabilities","inputs":[' + b"".join(parts) + b"]}"

    def fill(unit: bytes) -> bytes:
        return unit * (size // len(unit))

    yield "empty lists", instances(fill(b"[],"), b"[]")
    yield "ragged lists", instances(b"[", b"1," * 80_000, b"1],", b"[1]," * 80_000, b"1")
    yield "objects", instances(fill(b'{"a":1},'), b"{}")
    yield "nested lists", instances(fill(b"["))
    yield "a long string", instances(b'{"b64":"', fill(b"QUJD"), b'"}')
    yield "a string of escapes", instances(b'"', fill(rb"\u0041"), b'"')
    yield "empty strings", instances(fill(b'"",'), b'""')
    yield "numbers", probabilities(fill(b"0.5,"), b"1")
    yield "as many numbers as allowed", probabilities(b"0.5," * (8 * 10**6), b"1")
    yield (
        "a long string among numbers",
        probabilities(b'"', b"a" * (size // 2), b'"', 10**6 * b",1"),
    )
    yield "a number of many digits", probabilities(b"0.", fill(b"1"))
    yield "an integer of many digits", probabilities(fill(b"1"))
    yield "spaces", fill(b" ")


def _messages(size: int) -> Iterator[tuple[str, bytes]]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = _NAME

    def message(field: bytes) -> bytes:
        return request.SerializeToString() + field * (size // len(field))

    def tensor(field: bytes) -> bytes:
        """Appends an input whose tensor has the same field over and over."""
        value = bytes([8, types_pb2.DT_STRING]) + field * (size // len(field))
        entry = b"\x0a\x0bimage_bytes\x12" + _varint(len(value)) + value
        return request.SerializeToString() + b"\x12" + _varint(len(entry)) + entry

    # A field begins with its number, times eight, plus two if its length follows.
    yield "empty strings", tensor(b"\x42\x00")
    yield "dimensions", tensor(b"\x12\x02\x12\x00")
    yield "nested tensors", tensor(b"\x7a\x00")
    yield "numbers one by one", tensor(b"\x38\x01")
    yield "inputs", message(b"\x12\x03\x0a\x01a")
    yield "output filters", message(b"\x1a\x00")
    yield "an endless number", b"\x80" * size


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


class _Watch:
    """Measures a server until the context ends.

    Attributes:
      seconds: Duration of the context.
      slowest: Longest time in which `/healthz` answered, in seconds.
      mebibytes: Memory in addition to that at the start, in MiB, as a maximum.
    """

    def __init__(self, process: int, rest: str) -> None:
        self._process, self._rest = process, rest
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._weigh)]
        self.seconds = self.slowest = self.mebibytes = 0.0

    def __enter__(self) -> "_Watch":
        self._memory = self._now()
        for thread in self._threads:
            thread.start()
        self.seconds = -time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic()
        time.sleep(0.2)  # the server may still be freeing memory
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            connection = http.client.HTTPConnection(self._rest, timeout=600)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                if connection.getresponse().status != http.HTTPStatus.OK:
                    raise RuntimeError("/healthz failed")
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.01)

    def _weigh(self) -> None:
        while not self._ended.wait(0.05):
            self.mebibytes = max(self.mebibytes, self._now() - self._memory)

    def _now(self) -> float:
        children = Path(f"/proc/{self._process}/task/{self._process}/children").read_text().split()
        return sum(map(_resident, [self._process, *map(int, children)]))


def _resident(process: int) -> float:
    """Returns the memory of a process in MiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return 0
    match = re.search(r"VmRSS:\s*(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0


def _print(name: str, size: int, status: str, watch: _Watch) -> None:
    print(
        f"{name:32}{size / _MB:5.0f}  {status:20}{watch.seconds:8.2f}"
        f"{1000 * watch.slowest:12.0f}{watch.mebibytes:7.0f}",
        flush=True,
    )


def _post(rest: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(rest, timeout=600)
    with contextlib.closing(connection):
        connection.request("POST", _PREDICT, body)
        return connection.getresponse().status


def _post_byte_by_byte(rest: str, size: int) -> str:
    head = f"POST {_PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    host, port = rest.split(":")
    with socket.create_connection((host, int(port)), timeout=600) as connection:
        connection.sendall(head.encode() + b"1\r\nx\r\n" * (size // 6) + b"0\r\n\r\n")
        return connection.recv(99).split()[1].decode()


def _call(rpc: str, message: bytes) -> str:
    with grpc.insecure_channel(rpc) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=bytes,
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )
        try:
            call(message, 600)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


@contextlib.contextmanager
def _unfinished(rest: str, data: bytes) -> Iterator[None]:
    host, port = rest.split(":")
    with socket.create_connection((host, int(port)), timeout=600) as connection:
        connection.sendall(data)
        yield


def _good_request() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((_SIZE, _SIZE, 3), np.uint8)).save(buffer, "PNG")
    return json.dumps(
        {"instances": [{"b64": base64.b64encode(buffer.getvalue()).decode()}]}
    ).encode()


@contextlib.contextmanager
def _server(scratch: Path) -> Iterator[tuple[int, str, str]]:
    """Starts a server; returns its process id, and its addresses for REST and gRPC."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.attacks", "--serve", scratch],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101, for the type checker
    with process:
        try:
            lines = "".join(iter(process.stdout.readline, "ready\n"))
            addresses = re.search(r"page http://(\S+)/ .*gRPC (\S+)", lines)
            if addresses is None:
                raise RuntimeError(lines)
            yield process.pid, addresses[1], addresses[2]
        finally:
            process.terminate()


def _serve(folder: Path) -> None:
    import pipeline  # noqa: F401, it sets environment variables for TensorFlow
    from serving.server.serve import ServerSettings, serve

    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    logging.getLogger("serving.server.watcher").addHandler(_Ready())
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    serve(ServerSettings(name=_NAME, folder=str(folder), rest_port=0, grpc_port=0))


class _Ready(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line when the server has loaded the model."""
        if "serving version" in record.getMessage():
            print("ready", flush=True)


def _export(scratch: Path) -> None:
    from components.trainer.config import ModelConfig
    from components.trainer.network.network import build_network
    from data.config import ResizeView
    from serving.model.export import export_saved_model

    export_saved_model(
        build_network(ModelConfig(weights="none", width=0.05), 3),
        str(scratch / "1"),
        classes=["ocean", "land", "lake"],
        view=ResizeView(kind="resize", height=_SIZE, width=_SIZE),
    )
    print(json.dumps("exported"))


if __name__ == "__main__":
    main()
