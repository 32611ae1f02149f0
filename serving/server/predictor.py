"""Admits, checks and runs prediction requests from REST and gRPC, in batches where possible."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

from serving.request_log import RequestLog, answers_of
from serving.server.batching import Outputs
from serving.server.errors import Code, RequestError, timed_out
from serving.server.limits import Limits, check_pixels
from serving.server.metrics import ServerMetrics
from serving.server.tensors import check_tensors
from serving.server.version import Version
from serving.signature import IMAGES, SIGNATURE, Arrays

_Response = TypeVar("_Response")


class RequestPredictor:
    """Runs prediction requests, and rejects those that exceed the server's limits.

    Attributes:
      limits: Limits of the server.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: ServerMetrics,
        executor: Executor,
        log: RequestLog | None = None,
    ) -> None:
        """Creates a predictor that has no requests yet.

        Args:
          limits: Limits of the server.
          metrics: Metrics that count the requests.
          executor: Single-threaded executor in which the models run.
          log: Log of the answers of `serving_default`; None for no log.
        """
        self.limits = limits
        self._log = log
        self._metrics = metrics
        self._executor = executor
        self._running = 0

    async def admit(
        self,
        interface: str,
        handle: Callable[[float], Awaitable[_Response]],
        seconds: float | None = None,
    ) -> _Response:
        """Handles a prediction request within its time limit, and records it in the metrics.

        Args:
          interface: `REST` or `gRPC`.
          handle: Function that handles the request. The argument is the deadline of the request, in
            seconds on the `time.monotonic` clock.
          seconds: Timeout set by the client, in seconds; None if the client set no timeout.

        Returns:
          The response that `handle` returned.

        Raises:
          RequestError: The request times out, or `handle` raises this error.
        """
        allowed = min(self.limits.seconds, seconds or self.limits.seconds)
        with self._metrics.request(interface):
            try:
                return await asyncio.wait_for(handle(time.monotonic() + allowed), allowed)
            except asyncio.TimeoutError as error:
                raise timed_out() from error

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupies one of the places for requests that have been received, until the context ends.

        Raises:
          RequestError: Too many requests are running.
        """
        if self._running >= self.limits.requests:
            raise RequestError(
                Code.TOO_MANY_REQUESTS,
                f"{self._running} requests are already running; try again later",
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def run(self, version: Version, name: str, inputs: Arrays, deadline: float) -> Outputs:
        """Checks the inputs of a request and runs a signature.

        Args:
          version: The version to use. The caller must hold a lease on the version (see
            `Version.lease`).
          name: Name of the signature.
          inputs: Input arrays, keyed by name, whose types and shapes have not been checked yet.
          deadline: Deadline of the request, in seconds on the `time.monotonic` clock.

        Returns:
          The outputs, keyed by name.

        Raises:
          RequestError: The inputs are invalid, or the request times out.
        """
        model = version.model
        check_tensors(inputs, model.signature(name), name)
        pixels = await asyncio.to_thread(check_pixels, name, inputs, model.max_pixels)
        if name == SIGNATURE:
            outputs = await version.batcher.submit(list(inputs[IMAGES]), pixels, deadline)
            if self._log:
                answers = answers_of(outputs, version.number, model.classes)
                self._log.add(answers, inputs[IMAGES].tolist())
            return outputs
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: model.run(name, inputs, deadline - time.monotonic())
        )
