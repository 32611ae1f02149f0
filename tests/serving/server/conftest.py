"""Fixtures for tests that start their own server and push versions."""

import base64

import httpx
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path):
    """Path of the push folder."""
    return tmp_path / "serving" / "discs"


@pytest.fixture
def serve(start, folder):
    """Starts a server on the push folder and waits until the versions are available."""

    def serve(*versions, **settings):
        running = start(folder, **settings)
        for version in versions:
            running.wait(version)
        return running

    return serve


@pytest.fixture
def class_of_red(picture):
    """Returns the class that a version predicts for red: 0, or 1 if it is the other model."""

    def class_of_red(running, path=""):
        body = {"instances": [{"b64": base64.b64encode(picture()).decode()}]}
        answer = httpx.post(f"{running.rest}/v1/models/discs{path}:predict", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return int(np.argmax(answer.json()["predictions"][0]["class_fraction"]))

    return class_of_red


@pytest.fixture
def states():
    """Reads the states of the versions, by number."""

    def states(running):
        statuses = httpx.get(f"{running.rest}/v1/models/discs").json()["model_version_status"]
        return {int(status["version"]): status["state"] for status in statuses}

    return states
