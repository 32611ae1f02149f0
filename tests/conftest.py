"""Fixtures for all tests: a fake model server, an emulated object store and a browser."""

import contextlib
import gc
import json
import os
import shutil
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hypothesis
import pytest
from playwright.sync_api import sync_playwright

import pipeline  # noqa: F401, sets TF_ENABLE_ONEDNN_OPTS before TensorFlow is imported
from data.jobs import processes
from tests.emulators.gcs import running
from tests.go_programs import KUBE_SCORE, UnavailableProgramError
from tests.pages import DESKTOP
from tests.saved_model_loader import Loader, MissingCompilerError

# Several tests run at the same time, so each has one worker process for images. The worker process
# is kept for the next test, because starting it takes two seconds of CPU time.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
processes._IDLE_SECONDS = 600


def pytest_collection_modifyitems(items):
    """Moves the longest files to the front, so that no process has to finish one alone."""
    items.sort(key=lambda item: (item.path.name != "test_image.py", "e2e" not in item.path.parts))


def pytest_collection_finish():
    """Leaves the imported modules out of garbage collection.

    TensorFlow and TFX consist of some million objects. Collections that visit all of them would
    take up to half the CPU time of tests that train.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


# Other programs may use the same machine, so a time limit for an example would fail good code.
hypothesis.settings.register_profile("without time limit", deadline=None)
hypothesis.settings.load_profile("without time limit")

# Responses in the format of TF Serving. The mask is [[0, 1, 2], [0, 0, 0]].
MASK_B64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVQImWNk"
    "YGRkYGBgAAAAGwAEOzAfRgAAAABJRU5ErkJggg=="
)
STATUS = """{
 "model_version_status": [
  {
   "version": "7",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  }
 ]
}
"""
METADATA = json.dumps(
    {
        "model_spec": {"name": "x", "signature_name": "", "version": "7"},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {},
                        "outputs": {
                            "class_fraction": {
                                "dtype": "DT_FLOAT",
                                "tensor_shape": {
                                    "dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}],
                                    "unknown_rank": False,
                                },
                                "name": "StatefulPartitionedCall_2:0",
                            },
                            "confidence": {
                                "dtype": "DT_FLOAT",
                                "tensor_shape": {
                                    "dim": [{"size": "-1", "name": ""}],
                                    "unknown_rank": False,
                                },
                                "name": "StatefulPartitionedCall_2:1",
                            },
                            "mask_png_bytes": {
                                "dtype": "DT_STRING",
                                "tensor_shape": {
                                    "dim": [{"size": "-1", "name": ""}],
                                    "unknown_rank": False,
                                },
                                "name": "StatefulPartitionedCall_2:2",
                            },
                        },
                        "method_name": "tensorflow/serving/predict",
                    }
                }
            }
        },
    }
)
ROWS = """{
    "predictions": [
        {
            "class_fraction": [0.666666687, 0.166666672, 0.166666672],
            "confidence": 0.75,
            "mask_png_bytes": {
                "b64": "MASK"
            }
        }
    ]
}""".replace("MASK", MASK_B64)


class ModelServer(ThreadingHTTPServer):
    """A server that sends prepared responses and records the requests.

    Attributes:
      answers: Status codes and bodies of the responses to prediction requests, in order; the last
        response is repeated. Code 0 closes the connection without a response, and code 1 sends no
        response until the test ends.
      metadata: Body of the response to a request for the model's metadata; None to respond with
        status 404.
      status: Body of the response to a request for the model's status; None to respond with status
        404.
      starting: Number of GET requests that still get status 503, as before the first version.
      requests: Method, path and parsed body of each request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers = [(200, ROWS)]
        self.metadata = METADATA
        self.status = STATUS
        self.starting = 0
        self.requests = []
        self.end = threading.Event()

    def next_answer(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def predictions(self):
        return [path for method, path, _ in self.requests if method == "POST"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append(("GET", self.path, None))
        body = self.server.status
        if self.path.endswith("/metadata"):
            body = self.server.metadata
        if self.server.starting:
            self.server.starting -= 1
            self._send(503, '{"error": "Servable not found for request: Latest(x)"}')
        elif body is None:
            self._send(404, '{"error": "Servable not found for request: Latest(x)"}')
        else:
            self._send(200, body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(("POST", self.path, json.loads(body)))
        code, text = self.server.next_answer()
        if code > 1:
            self._send(code, text)
            return
        if code == 1:
            self.server.end.wait()
        self.close_connection = True

    def _send(self, code, text):
        content = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def recorded_mask():
    """The mask in the prepared responses: a PNG file in base64."""
    return MASK_B64


@pytest.fixture
def rest_server():
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.end.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def gcs(tmp_path_factory):
    """An emulator of Google Cloud Storage that contains the bucket `bucket`."""
    with contextlib.ExitStack() as stack:
        try:
            emulator = stack.enter_context(running(tmp_path_factory.mktemp("gcs")))
        except UnavailableProgramError as error:
            pytest.skip(str(error))
        emulator.client.create_bucket("bucket")
        yield emulator


@pytest.fixture
def gs_folder(gcs, monkeypatch):
    """URL of an empty folder in the emulator's bucket, which this process can access."""
    for name, value in gcs.environment.items():
        monkeypatch.setenv(name, value)
    return f"gs://bucket/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def probe_server(tmp_path_factory):
    """Path of the socket of a server that forks processes for ServingCheck."""
    from tests import warm_probe  # imports TFX, which most tests do not need

    path = tmp_path_factory.mktemp("probes") / "socket"
    with warm_probe.running(path):
        yield path


@pytest.fixture(scope="session")
def go_program():
    """Returns a function that returns the path of a Go program, or skips the test."""

    def go_program(program):
        try:
            return program.fetch()
        except UnavailableProgramError as error:
            pytest.skip(str(error))

    return go_program


@pytest.fixture(scope="session")
def objections(go_program):
    """Returns a function that returns the lines in which kube-score objects to a file."""

    def objections(manifests):
        command = [go_program(KUBE_SCORE), "score", "--output-format=ci", manifests]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = process.stdout.splitlines()
        assert any(line.startswith("[OK]") for line in lines), process.stderr
        return [line for line in lines if not line.startswith(("[OK]", "[SKIPPED]"))]

    return objections


@pytest.fixture(scope="session")
def saved_model_loader(tmp_path_factory):
    """A program with TensorFlow's loader and without Python."""
    try:
        return Loader(tmp_path_factory.mktemp("saved_model_loader"))
    except MissingCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens pages, and checks at the end that they used no network and logged no message."""
    pages = []

    def opened(path, viewport=DESKTOP, **options):
        page = browser.new_page(viewport=viewport, **options)
        requests, messages = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(path.as_uri())
        pages.append((page, requests, messages))
        return page

    yield opened
    for page, requests, messages in pages:
        page.close()
        assert messages == []
        assert all(url.startswith(("file:", "data:")) for url in requests)
