import asyncio
import base64
import concurrent.futures
import io
import shutil
import threading
import time

import httpx
import keras
import numpy as np
import pytest
from PIL import Image

from data.config import CropView, ResizeView
from serving.model.export import export_saved_model
from serving.server.serve import LocalServer, ServerSettings

CLASSES = ["red", "green", "blue"]
VIEW = ResizeView(kind="resize", height=16, width=24)
CROP = CropView(kind="crop", height=16, width=24)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def colour_network(order=(0, 1, 2)):
    """Makes a network of one 1×1 convolution: the logits of the three classes are channels / 20."""
    images = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(3, 1)
    network = keras.Model(images, convolution(images))
    kernel = np.eye(3)[:, list(order)]
    convolution.set_weights([kernel.reshape(1, 1, 3, 3) / 20, np.zeros(3)])
    return network


@pytest.fixture(scope="session")
def network():
    """A network whose classes are red, green and blue."""
    return colour_network()


@pytest.fixture(scope="session")
def saved_model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "7"
    export_saved_model(network, str(path), classes=CLASSES, view=VIEW)
    return path


@pytest.fixture(scope="session")
def sliding_model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "8"
    export_saved_model(network, str(path), classes=CLASSES, view=CROP)
    return path


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """A model that confuses red and green, so that a response shows which version it is from."""
    path = tmp_path_factory.mktemp("serving") / "9"
    export_saved_model(colour_network((1, 0, 2)), str(path), classes=CLASSES, view=VIEW)
    return path


@pytest.fixture(scope="session")
def push():
    """Copies a model to the folder of a version, which appears when it is complete."""

    def push(model, folder, version):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(model, folder / f"{version}-unfinished")
        (folder / f"{version}-unfinished").rename(folder / str(version))

    return push


@pytest.fixture(scope="session")
def limited_model(network, tmp_path_factory):
    """Makes a model with a limit of pixels in an image."""

    def limited_model(max_pixels):
        path = tmp_path_factory.mktemp("serving") / "10"
        export_saved_model(network, str(path), classes=CLASSES, view=VIEW, max_pixels=max_pixels)
        return path

    return limited_model


@pytest.fixture(scope="session")
def picture():
    """Makes the bytes of an image with one colour on the left and another on the right."""

    def picture(height=8, width=12, left=RED, right=None, kind="PNG", **options):
        pixels = np.full((height, width, 3), left, np.uint8)
        pixels[:, width // 2 :] = right or left
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **options)
        return buffer.getvalue()

    return picture


@pytest.fixture(scope="session")
def start_slow_request():
    """Sends a slow request, waits until it runs, and returns a future of the HTTP status."""

    def start_slow_request(url, address):
        pixels = np.zeros((700, 700, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        body = {"instances": [{"b64": base64.b64encode(buffer.getvalue()).decode()}]}
        pool = concurrent.futures.ThreadPoolExecutor(1)
        status = pool.submit(lambda: httpx.post(url + address, json=body, timeout=300).status_code)
        pool.shutdown(wait=False)
        while "in_progress 1.0" not in httpx.get(f"{url}/monitoring/prometheus/metrics").text:
            pass
        return status

    return start_slow_request


class Running:
    """A local server in its own thread, on free ports."""

    def __init__(self, settings):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = LocalServer(settings._replace(rest_port=0, grpc_port=0))
        self.do(self.server.start())

    @property
    def rest(self):
        return f"http://{self.server.rest}"

    @property
    def grpc(self):
        return self.server.grpc

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(300)

    def wait(self, version, state="AVAILABLE"):
        """Waits until a version has a state, for at most the timeout of the test."""
        while True:
            found = httpx.get(f"{self.rest}/v1/models/discs").json()
            states = found.get("model_version_status", [])
            if {"version": str(version), "state": state}.items() <= _of(version, states).items():
                return
            time.sleep(0.05)

    def stop(self):
        if self._loop.is_closed():
            return
        try:
            self.do(self.server.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def _of(version, states):
    return next((state for state in states if state["version"] == str(version)), {})


@pytest.fixture(scope="module")
def start():
    """Starts a server, which is stopped after the tests of the module."""
    running = []

    def start(folder, **settings):
        running.append(Running(ServerSettings(name="discs", folder=str(folder), **settings)))
        return running[-1]

    yield start
    for server in running:
        server.stop()
