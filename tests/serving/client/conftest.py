"""Fixtures for tests of the client with either protocol."""

import base64
import socket

import numpy as np
import pytest

from serving.client.client import ServingClient

CLASSES = ["ocean", "land", "lake"]


@pytest.fixture
def client():
    """Makes a client that waits very briefly before repeating a request."""

    def client(url, **options):
        return ServingClient(url, "sea", CLASSES, **{"first_wait": 0.001} | options)

    return client


@pytest.fixture
def assert_as_recorded(recorded_mask):
    """Compares predictions with the recorded responses."""

    def assert_as_recorded(predictions):
        one, two = predictions
        assert one.mask_png == base64.b64decode(recorded_mask)
        assert one.class_ids.dtype == np.uint8
        assert one.class_ids.tolist() == [[0, 1, 2], [0, 0, 0]]
        assert one.class_fraction.dtype == np.float32
        assert one.class_fraction.tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])
        assert one.confidence == 0.75
        assert two.class_fraction.tolist() == [1, 0, 0]
        assert np.isnan(two.confidence)

    return assert_as_recorded


@pytest.fixture
def unused_port():
    """Finds a port on which nothing listens."""

    def unused_port():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]

    return unused_port
