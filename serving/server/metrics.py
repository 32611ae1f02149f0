"""What the server counts, for Prometheus."""

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
"""Where TF Serving has them."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServerMetrics:
    """Counters of one server."""

    def __init__(self, batch: int) -> None:
        """Makes them, all zero.

        Args:
          batch: Images of the largest batch.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "unetfx_requests",
            "Predictions asked for, by how they ended",
            ("interface", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "unetfx_request_seconds",
            "From a request's first byte to its answer",
            ("interface",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._running = Gauge(
            "unetfx_requests_in_progress",
            "Predictions that wait or run",
            registry=self._registry,
        )
        self._batches = Histogram(
            "unetfx_batch_images",
            "Images that went through the network together",
            buckets=range(1, batch + 1),
            registry=self._registry,
        )
        self._loads = Counter(
            "unetfx_version_loads",
            "Versions that were loaded, or could not be",
            ("outcome",),
            registry=self._registry,
        )
        self._available = Gauge(
            "unetfx_version_available",
            "1 for each version that answers",
            ("version",),
            registry=self._registry,
        )

    @contextmanager
    def request(self, interface: str) -> Iterator[None]:
        """Counts a request, how long it takes and how it ends.

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
        """Counts a batch."""
        self._batches.observe(images)

    def load(self, outcome: str) -> None:
        """Counts a load: `loaded` or `failed`."""
        self._loads.labels(outcome).inc()

    def available(self, version: int, is_available: bool) -> None:
        """Notes whether a version answers."""
        if is_available:
            self._available.labels(version).set(1)
        else:
            self._available.remove(version)

    def page(self) -> bytes:
        """Returns all of them in Prometheus' text format."""
        return generate_latest(self._registry)
