"""The way of a prediction, the same for REST and gRPC: let in, checked, batched, answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar

from serving.server.batching import Outputs
from serving.server.errors import Code, RequestError
from serving.server.limits import Limits, check_pixels, check_tensors
from serving.server.loaded_model import Arrays, out_of_time
from serving.server.metrics import ServerMetrics
from serving.server.versions import Version
from serving.signature import IMAGES, SIGNATURE

_Answer = TypeVar("_Answer")


class RequestPredictor:
    """Lets requests in, and runs them.

    Attributes:
      limits: What it keeps to.
    """

    def __init__(self, limits: Limits, metrics: ServerMetrics, executor: Executor) -> None:
        """Makes a predictor.

        Args:
          limits: What it keeps to.
          metrics: Count the requests.
          executor: Of one thread, where models run.
        """
        self.limits = limits
        self._metrics = metrics
        self._executor = executor
        self._running = 0

    async def admit(
        self,
        interface: str,
        answer: Callable[[float], Awaitable[_Answer]],
        seconds: float | None = None,
    ) -> _Answer:
        """Answers a request within the limits, and counts it.

        Args:
          interface: `REST` or `gRPC`.
          answer: Answers it; is told its deadline, by `time.monotonic`.
          seconds: That the client waits, if it says so.

        Returns:
          The answer.

        Raises:
          RequestError: Too many requests run already, or time is up, or what `answer` raises.
        """
        allowed = min(self.limits.seconds, seconds or self.limits.seconds)
        with self._metrics.request(interface):
            if self._running >= self.limits.requests:
                raise RequestError(
                    Code.TOO_MANY_REQUESTS,
                    f"{self._running} requests run already; try again later",
                )
            self._running += 1
            try:
                return await asyncio.wait_for(answer(time.monotonic() + allowed), allowed)
            except asyncio.TimeoutError as error:
                raise out_of_time() from error
            finally:
                self._running -= 1

    async def run(self, version: Version, name: str, inputs: Arrays, deadline: float) -> Outputs:
        """Runs a signature of a version that is leased.

        Args:
          version: The version.
          name: The signature's.
          inputs: Of any types and shapes.
          deadline: By `time.monotonic`.

        Returns:
          Its outputs.

        Raises:
          RequestError: The inputs are refused, or time is up.
        """
        model = version.model
        check_tensors(inputs, model.signature(name), name)
        pixels = await asyncio.to_thread(check_pixels, name, inputs, model.max_pixels)
        if name == SIGNATURE:
            return await version.batcher.submit(list(inputs[IMAGES]), pixels, deadline)
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: model.run(name, inputs, deadline - time.monotonic())
        )
