"""Requests that come at the same time go through the network together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.server.errors import RequestError

_LINGER = 0.002  # seconds that the first request of an idle server waits for company

Outputs = dict[str, npt.NDArray[Any]]


class _Job(NamedTuple):
    images: Sequence[bytes]
    pixels: int
    deadline: float
    answer: "asyncio.Future[Outputs]"


class Batcher:
    """Makes batches of one version's requests. Whatever waits while a batch runs is the next."""

    def __init__(
        self,
        run: Callable[[npt.NDArray[Any], float], Outputs],
        executor: Executor,
        *,
        most_images: int,
        most_pixels: int,
        count: Callable[[int], None],
    ) -> None:
        """Makes a batcher.

        Args:
          run: From images, objects [batch] of type bytes, and the seconds that it may take, to
            outputs [batch, …].
          executor: Where it is called.
          most_images: Of a batch. A request with more is a batch of its own.
          most_pixels: Of a batch's images together, likewise.
          count: Is told the number of images of each batch.
        """
        self._run = run
        self._executor = executor
        self._most_images = most_images
        self._most_pixels = most_pixels
        self._count = count
        self._waiting: deque[_Job] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, images: Sequence[bytes], pixels: int, deadline: float) -> Outputs:
        """Answers a request.

        Args:
          images: The bytes of its images.
          pixels: Of all of them.
          deadline: By `time.monotonic`; what has not run by then is not run any more.

        Returns:
          The outputs of these images.

        Raises:
          RequestError: An image is refused, or time is up.
        """
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(images, pixels, deadline, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await answer

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
            if batch and (images > self._most_images or pixels > self._most_pixels):
                break
            self._waiting.popleft()
            if job.answer.done():  # nobody waits for it any more
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
            await self._blame(batch, error)
            return
        first = 0
        for job in batch:
            rows = slice(first, first + len(job.images))
            first = rows.stop
            if not job.answer.done():
                job.answer.set_result({name: array[rows] for name, array in outputs.items()})

    async def _blame(self, batch: Sequence[_Job], error: Exception) -> None:
        """Only one of the requests may be at fault: each is run alone."""
        waiting = [job for job in batch if not job.answer.done()]
        if len(batch) == 1 or not isinstance(error, RequestError):
            for job in waiting:
                job.answer.set_exception(error)
        else:
            for job in waiting:
                if not job.answer.done():
                    await self._answer([job])
