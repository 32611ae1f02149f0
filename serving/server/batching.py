"""Combines concurrent prediction requests for one model version into batches."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.server.errors import RequestError

_LINGER = 0.002  # seconds that an idle server waits for more requests before it runs a batch

Outputs = dict[str, npt.NDArray[Any]]


class _Job(NamedTuple):
    images: Sequence[bytes]
    pixels: int
    deadline: float
    future: "asyncio.Future[Outputs]"


class Batcher:
    """Batches requests for one version.

    Requests that arrive while one batch is running form the next batch.
    """

    def __init__(
        self,
        run: Callable[[npt.NDArray[Any], float], Outputs],
        executor: Executor,
        *,
        max_images: int,
        max_pixels: int,
        count: Callable[[int], None],
    ) -> None:
        """Creates a batcher with an empty queue.

        Args:
          run: Function that runs the model. The arguments are the contents of the image files (an
            object array [batch] of bytes) and a timeout in seconds. The function returns the
            outputs, keyed by name, each of shape [batch, …].
          executor: Executor in which `run` is called.
          max_images: Maximum number of images in a batch. A request with more images forms a batch
            of its own.
          max_pixels: Maximum number of pixels in a batch. A request with more pixels forms a batch
            of its own.
          count: Function that is called with the number of images in each batch.
        """
        self._run = run
        self._executor = executor
        self._max_images = max_images
        self._max_pixels = max_pixels
        self._count = count
        self._waiting: deque[_Job] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, images: Sequence[bytes], pixels: int, deadline: float) -> Outputs:
        """Runs the model on the images of a request.

        Args:
          images: Contents of the image files in the request.
          pixels: Total number of pixels in all images.
          deadline: Deadline of the request, in seconds on the `time.monotonic` clock.

        Returns:
          The model's outputs for the images in the request, keyed by name.

        Raises:
          RequestError: The model rejects an image, or the request times out.
        """
        future: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(images, pixels, deadline, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        await asyncio.sleep(_LINGER)
        while batch := self._take():
            await self._answer(batch)
        self._worker = None

    def _take(self) -> list[_Job]:
        batch: list[_Job] = []
        images = pixels = 0
        while self._waiting:
            job = self._waiting[0]
            images, pixels = images + len(job.images), pixels + job.pixels
            if batch and (images > self._max_images or pixels > self._max_pixels):
                break
            self._waiting.popleft()
            if job.future.done():  # the request was cancelled or timed out
                images, pixels = images - len(job.images), pixels - job.pixels
            else:
                batch.append(job)
        return batch

    async def _answer(self, batch: Sequence[_Job]) -> None:
        images = np.array([image for job in batch for image in job.images], object)
        seconds = max(job.deadline for job in batch) - time.monotonic()
        self._count(len(images))
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._run, images, seconds
            )
        except Exception as error:
            await self._run_alone(batch, error)
            return
        first = 0
        for job in batch:
            rows = slice(first, first + len(job.images))
            first = rows.stop
            if not job.future.done():
                job.future.set_result({name: array[rows] for name, array in outputs.items()})

    async def _run_alone(self, batch: Sequence[_Job], error: Exception) -> None:
        """Runs each request of a failed batch separately, because only one may be at fault."""
        waiting = [job for job in batch if not job.future.done()]
        if len(batch) == 1 or not isinstance(error, RequestError):
            for job in waiting:
                job.future.set_exception(error)
        else:
            for job in waiting:
                if not job.future.done():
                    await self._answer([job])
