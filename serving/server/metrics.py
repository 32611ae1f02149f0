"""Prometheus metrics of the model server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from serving.server.errors import Code, RequestError

PATH = "/monitoring/prometheus/metrics"
"""URL path of the metrics, the same as in TF Serving."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServerMetrics:
    """Metrics of one server: requests, batches and loaded versions."""

    def __init__(self, batch: int) -> None:
        """Creates the metrics, with all values set to zero.

        Args:
          batch: Maximum number of images in a batch, which determines the buckets of the batch size
            histogram.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "unetfx_requests",
            "Prediction requests by interface and status code",
            ("interface", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "unetfx_request_seconds",
            "Seconds from the first byte of a request to its response",
            ("interface",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._running = Gauge(
            "unetfx_requests_in_progress",
            "Prediction requests that wait or run",
            registry=self._registry,
        )
        self._batches = Histogram(
            "unetfx_batch_images",
            "Images in a batch",
            buckets=range(1, batch + 1),
            registry=self._registry,
        )
        self._loads = Counter(
            "unetfx_version_loads",
            "Attempts to load a version, by outcome (loaded, failed)",
            ("outcome",),
            registry=self._registry,
        )
        self._available = Gauge(
            "unetfx_version_available",
            "1 for each version that is served",
            ("version",),
            registry=self._registry,
        )

    @contextmanager
    def request(self, interface: str) -> Iterator[None]:
        """Records the duration and status code of the request handled inside the `with` block.

        Args:
          interface: `REST` or `gRPC`.
        """
        began, code = time.monotonic(), Code.OK
        self._running.inc()
        try:
            yield
        except RequestError as error:
            code = error.code
            raise
        except BaseException as error:
            code = Code.INTERNAL if isinstance(error, Exception) else Code.CANCELLED
            raise
        finally:
            self._running.dec()
            self._requests.labels(interface, code.name).inc()
            self._seconds.labels(interface).observe(time.monotonic() - began)

    def batch(self, images: int) -> None:
        """Records the number of images in a batch."""
        self._batches.observe(images)

    def load(self, outcome: str) -> None:
        """Counts an attempt to load a version; `outcome` is `loaded` or `failed`."""
        self._loads.labels(outcome).inc()

    def available(self, version: int, is_available: bool) -> None:
        """Records whether a version is being served."""
        if is_available:
            self._available.labels(version).set(1)
        else:
            self._available.remove(version)

    def page(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
