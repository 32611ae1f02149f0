"""A loaded version of the model, and a count of the requests that are using it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from serving.server.batching import Batcher
from serving.server.loaded_model import LoadedModel


class Version:
    """A loaded version of the model.

    Attributes:
      number: Version number, which is also the name of the version's folder.
      model: The SavedModel in memory.
      batcher: Batcher for requests to the `serving_default` signature.
    """

    def __init__(self, number: int, model: LoadedModel, batcher: Batcher) -> None:
        """Creates a version that no request is using yet."""
        self.number = number
        self.model = model
        self.batcher = batcher
        self._leases = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keeps the version from being unloaded while the context is open."""
        self._leases += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._leases -= 1
            if not self._leases:
                self._idle.set()

    async def idle(self) -> None:
        """Waits until no request is using the version."""
        await self._idle.wait()
