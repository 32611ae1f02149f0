"""Runs prediction requests of both REST and gRPC: admission, checks, batching."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar

from serving.server.batching import Outputs
from serving.server.errors import Code, RequestError, timed_out
from serving.server.limits import Limits, check_pixels
from serving.server.metrics import ServerMetrics
from serving.server.tensors import Arrays, check_tensors
from serving.server.version import Version
from serving.signature import IMAGES, SIGNATURE

_Response = TypeVar("_Response")


class RequestPredictor:
    """Runs prediction requests, and rejects requests that exceed the limits.

    Attributes:
      limits: Limits of the server.
    """

    def __init__(self, limits: Limits, metrics: ServerMetrics, executor: Executor) -> None:
        """Creates a predictor without requests.

        Args:
          limits: Limits of the server.
          metrics: Metrics in which the requests are counted.
          executor: Executor with one thread, in which models run.
        """
        self.limits = limits
        self._metrics = metrics
        self._executor = executor
        self._running = 0

    async def admit(
        self,
        interface: str,
        handle: Callable[[float], Awaitable[_Response]],
        seconds: float | None = None,
    ) -> _Response:
        """Handles a prediction request within the limits, and counts the request.

        Args:
          interface: `REST` or `gRPC`.
          handle: Function that handles the request. Argument: the request's deadline on the clock
            `time.monotonic`.
          seconds: Timeout that the client set, in seconds; None if the client set none.

        Returns:
          The response that `handle` returned.

        Raises:
          RequestError: Too many requests are running, the request timed out, or `handle` raised the
            error.
        """
        allowed = min(self.limits.seconds, seconds or self.limits.seconds)
        with self._metrics.request(interface):
            if self._running >= self.limits.requests:
                raise RequestError(
                    Code.TOO_MANY_REQUESTS,
                    f"{self._running} requests are already running; try again later",
                )
            self._running += 1
            try:
                return await asyncio.wait_for(handle(time.monotonic() + allowed), allowed)
            except asyncio.TimeoutError as error:
                raise timed_out() from error
            finally:
                self._running -= 1

    async def run(self, version: Version, name: str, inputs: Arrays, deadline: float) -> Outputs:
        """Checks the inputs of a request and runs a signature.

        Args:
          version: The version to use, which the caller has leased.
          name: Name of the signature.
          inputs: Input arrays by name, of any types and shapes.
          deadline: Deadline of the request, on the clock `time.monotonic`.

        Returns:
          The outputs by name.

        Raises:
          RequestError: The inputs are invalid, or the request timed out.
        """
        model = version.model
        check_tensors(inputs, model.signature(name), name)
        pixels = await asyncio.to_thread(check_pixels, name, inputs, model.max_pixels)
        if name == SIGNATURE:
            return await version.batcher.submit(list(inputs[IMAGES]), pixels, deadline)
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: model.run(name, inputs, deadline - time.monotonic())
        )
