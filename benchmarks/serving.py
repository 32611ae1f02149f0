"""Compares the local server with direct calls of the signature of the model.

    python -m benchmarks.serving [--model VERSION_FOLDER] [--rounds 2] [--minutes 1]

Throughput and latency are measured with the pushed model of the demo (without a pushed model, with
random weights), and with 1, 4 and 16 clients that wait for each response before they send the next
request. The rival calls the same signature of the same model directly, in one process, with batches
of the same sizes as in the server. Server and rival alternate, because the load of a shared machine
varies.

A small network, which allows many requests, is used to measure failures when the version changes
under load, and the memory of the server over minutes of load and after many version changes. The
size of a response is printed, too.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from PIL import Image

CLIENTS = (1, 4, 16)
REQUESTS_PER_CLIENT = 4  # in a round with several clients; twice as many with one client
SWAPS, REQUESTS_WHILE_SWAPPING = 5, 2000
SWAPS_FOR_MEMORY = 20
DEMO = Path("runs/blue_marble/serving/blue_marble")
_NAME = "bench"
_PREDICT = f"/v1/models/{_NAME}:predict"
_SIZE, _SMALL = 224, 32


class Round(NamedTuple):
    """A round of requests by several clients.

    Attributes:
      seconds: Time from the first request to the last response.
      latencies: Latency of each request in seconds.
      batches: Number of images in each batch.
    """

    seconds: float
    latencies: Sequence[float]
    batches: Sequence[int]


def main() -> None:
    """Runs all measurements and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="a pushed version; default: the newest of the demo"
    )
    parser.add_argument("--rounds", type=int, default=2, help="rounds for each number of clients")
    parser.add_argument("--minutes", type=float, default=1, help="minutes of load for the memory")
    for job in ("serve", "direct", "export"):
        parser.add_argument(f"--{job}", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve)
    elif arguments.direct:
        _serve_directly(arguments.direct)
    elif arguments.export:
        _export(arguments.export)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            _measure(Path(scratch), arguments)


def _measure(scratch: Path, arguments: argparse.Namespace) -> None:
    _run("--export", scratch)
    sample, small = scratch / "tile.png", scratch / "small"
    model = arguments.model or _demo() or scratch / "large"
    print(f"{model.parent.name}, {os.cpu_count()} cores")
    _push(model, scratch / "served", 1)
    with _server(scratch / "served") as url, _direct(model) as direct:
        _throughput(url, direct, sample, arguments.rounds)
        _response_size(url, sample)
    with _server(scratch / "swapped") as url:
        _push(small, scratch / "swapped", 1)
        _wait(url, 1)
        _swap_under_load(url, small, scratch / "swapped", sample)
        _memory(url, small, scratch / "swapped", sample, arguments.minutes)


def _demo() -> Path | None:
    versions = [path.parent for path in DEMO.glob("*/saved_model.pb")]
    return max(versions, key=lambda path: int(path.name), default=None)


def _throughput(url: str, direct: Any, image: Path, rounds: int) -> None:
    body = _body(image)
    for _ in range(2):  # traces graphs and allocates memory
        _load(url, body, 1)
        _load(url, body, max(CLIENTS))
    _call_directly(direct, image, [1, 8, 1, 8])
    print("clients   server/s   direct/s   server / direct   p50, p95, p99 in s   mean batch")
    for clients in CLIENTS:
        served, rival = [], 0.0
        for _ in range(rounds):
            served.append(_load(url, body, clients))
            rival += _call_directly(direct, image, served[-1].batches)
        latencies = [seconds for round_ in served for seconds in round_.latencies]
        seconds = sum(round_.seconds for round_ in served)
        sizes = [size for round_ in served for size in round_.batches]
        percentiles = np.percentile(latencies, (50, 95, 99))
        print(
            f"{clients:7}{len(latencies) / seconds:11.2f}{len(latencies) / rival:11.2f}"
            f"{rival / seconds:15.0%}      {', '.join(f'{value:5.2f}' for value in percentiles)}"
            f"{np.mean(sizes):13.1f}"
        )


def _load(url: str, body: bytes, clients: int) -> Round:
    """Sends requests from several clients, which wait for each response."""
    before = _batches(url)

    def client(_: int) -> list[float]:
        latencies = []
        with httpx.Client(base_url=url, timeout=600) as session:
            for _ in range(REQUESTS_PER_CLIENT if clients > 1 else 2 * REQUESTS_PER_CLIENT):
                began = time.monotonic()
                session.post(_PREDICT, content=body).raise_for_status()
                latencies.append(time.monotonic() - began)
        return latencies

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        latencies = [
            latency
            for client_latencies in pool.map(client, range(clients))
            for latency in client_latencies
        ]
    seconds = time.monotonic() - began
    return Round(seconds, latencies, list((_batches(url) - before).elements()))


def _batches(url: str) -> Counter[int]:
    """Returns the number of batches of each size, from the metrics of the server."""
    buckets = re.findall(r'unetfx_batch_images_bucket{le="(\d+)\.0"} ([\d.]+)', _metrics(url))
    cumulative = [(int(size), float(count)) for size, count in buckets]
    below = [0.0, *(count for _, count in cumulative)]
    return Counter(
        {size: int(count - less) for (size, count), less in zip(cumulative, below, strict=False)}
    )


def _swap_under_load(url: str, model: Path, folder: Path, image: Path) -> None:
    done = threading.Event()
    statuses: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(_send_until, url, _body(image), done, statuses) for _ in range(8)]
        for version in range(2, SWAPS + 2):
            while len(statuses) < REQUESTS_WHILE_SWAPPING * (version - 1) / (SWAPS + 1):
                time.sleep(0.01)
            _push(model, folder, version)
            _wait(url, version)
        while len(statuses) < REQUESTS_WHILE_SWAPPING:
            time.sleep(0.01)
        done.set()
        for client in clients:
            client.result()
    failed = sum(status != 200 for status in statuses)
    print(f"{SWAPS} version changes under load: {failed} of {len(statuses)} requests failed")


def _memory(url: str, model: Path, folder: Path, image: Path, minutes: float) -> None:
    body = _body(image)
    done = threading.Event()
    statuses: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(_send_until, url, body, done, statuses)
        time.sleep(10)
        track = [_resident(url)]
        for _ in range(4):
            time.sleep(60 * minutes / 4)
            track.append(_resident(url))
        done.set()
    print(f"MiB over {minutes:g} minutes of load: {', '.join(f'{size:.0f}' for size in track)}")
    first = SWAPS + 2
    track = [_resident(url)]
    for version in range(first, first + SWAPS_FOR_MEMORY):
        _push(model, folder, version)
        _wait(url, version)
        _load(url, body, 4)
        if (version - first) % 5 == 4:
            time.sleep(3)  # time for unloading the old version
            track.append(_resident(url))
    sizes = ", ".join(f"{size:.0f}" for size in track)
    print(f"MiB before, and after every 5 of {SWAPS_FOR_MEMORY} version changes: {sizes}")


def _send_until(url: str, body: bytes, done: threading.Event, statuses: list[int]) -> None:
    with httpx.Client(base_url=url, timeout=600) as session:
        while not done.is_set():
            statuses.append(session.post(_PREDICT, content=body).status_code)


def _response_size(url: str, image: Path) -> None:
    pixels = np.asarray(Image.open(image).convert("RGB")).tolist()
    probabilities = {"signature_name": "probabilities", "instances": [pixels]}
    mask = httpx.post(url + _PREDICT, content=_body(image), timeout=600).content
    values = httpx.post(url + _PREDICT, json=probabilities, timeout=600).content
    print(
        f"response for one image: {len(mask)} bytes as PNG mask, {len(values)} as JSON "
        f"probabilities, {len(values) / len(mask):.0f} times as many"
    )


def _body(image: Path) -> bytes:
    encoded = base64.b64encode(image.read_bytes()).decode()
    return json.dumps({"instances": [{"b64": encoded}]}).encode()


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/monitoring/prometheus/metrics", timeout=600).text


def _resident(url: str) -> float:
    (size,) = re.findall(r"^process_resident_memory_bytes (\S+)", _metrics(url), re.M)
    return float(size) / 2**20


def _push(model: Path, folder: Path, version: int) -> None:
    shutil.copytree(model, folder / f"{version}-unfinished")
    (folder / f"{version}-unfinished").rename(folder / str(version))


def _wait(url: str, version: int) -> None:
    path = f"{url}/v1/models/{_NAME}/versions/{version}/metadata"
    while httpx.get(path, timeout=600).status_code != 200:
        time.sleep(0.1)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    process = _start("--serve", folder)
    try:
        while not (match := re.search(r"page (http://\S+)/ ", _line(process))):
            pass
        url = match[1]
        if list(folder.glob("*")):
            _wait(url, 1)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _direct(model: Path) -> Iterator[subprocess.Popen[str]]:
    process = _start("--direct", model)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _call_directly(process: subprocess.Popen[str], image: Path, batches: Sequence[int]) -> float:
    """Returns the seconds that the rival takes for batches of the sizes `batches`."""
    assert process.stdin  # noqa: S101, for the type checker
    process.stdin.write(json.dumps([str(image), list(batches)]) + "\n")
    process.stdin.flush()
    return float(_line(process))


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout  # noqa: S101, for the type checker
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the benchmark's child process has ended")
    return line


def _start(job: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.serving", job, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _run(job: str, path: Path) -> None:
    process = _start(job, path)
    if process.wait():
        raise RuntimeError(f"{job} failed")


def _serve(folder: Path) -> None:
    import pipeline  # noqa: F401, it sets environment variables for TensorFlow
    from pipeline.execution.console import log_lines_of
    from serving.server.serve import ServerSettings, serve

    with log_lines_of("serving.server"):
        serve(ServerSettings(name=_NAME, folder=str(folder), rest_port=0, grpc_port=0))


def _serve_directly(model: Path) -> None:
    import pipeline  # noqa: F401, I001, it sets environment variables
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))
    signature = loaded.signatures["serving_default"]
    for line in sys.stdin:
        file, batches = json.loads(line)
        image = Path(file).read_bytes()
        began = time.monotonic()
        for size in batches:
            outputs = signature(image_bytes=tf.constant(size * [image]))
            for value in outputs.values():
                value.numpy()
        print(time.monotonic() - began, flush=True)


def _export(scratch: Path) -> None:
    """Writes a tile of the sample, a default network with random weights, and a small network."""
    from components.trainer.config import ModelConfig
    from components.trainer.network.network import build_network
    from data.config import ResizeView
    from data.sources.blue_marble import write_blue_marble
    from serving.model.export import export_saved_model

    write_blue_marble(scratch / "sample")
    shutil.copy(next((scratch / "sample/images").rglob("tile_02_06.png")), scratch / "tile.png")
    for name, size, width in (("large", _SIZE, 0.25), ("small", _SMALL, 0.05)):
        export_saved_model(
            build_network(ModelConfig(weights="none", width=width), 3),
            str(scratch / name),
            classes=["ocean", "land", "lake"],
            view=ResizeView(kind="resize", height=size, width=size),
        )


if __name__ == "__main__":
    main()
