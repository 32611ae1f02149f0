"""The pushed versions of a model: watches their folder, loads, switches, unloads."""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2

from serving.model.tf_errors import tf_error_text
from serving.model.versions import numbered_folders
from serving.server.batching import Batcher
from serving.server.errors import Code, RequestError
from serving.server.limits import Limits
from serving.server.loaded_model import LoadedModel
from serving.server.metrics import ServerMetrics
from serving.signature import IMAGES, SIGNATURE

ModelVersionStatus = get_model_status_pb2.ModelVersionStatus
log = logging.getLogger(__name__)

_Files = frozenset[tuple[str, int, int]]


class Version:
    """A version that is loaded.

    Attributes:
      number: Its number, the name of its folder.
      model: What answers.
      batcher: Of its default signature.
    """

    def __init__(self, number: int, model: LoadedModel, batcher: Batcher) -> None:
        """Takes a model into service."""
        self.number = number
        self.model = model
        self.batcher = batcher
        self._leases = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keeps it from being unloaded meanwhile."""
        self._leases += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._leases -= 1
            if not self._leases:
                self._idle.set()

    async def idle(self) -> None:
        """Waits until nobody uses it."""
        await self._idle.wait()


class Versions:
    """All versions of the model, in the event loop that calls `watch`.

    Attributes:
      name: The model's.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        labels: Mapping[str, int],
        limits: Limits,
        metrics: ServerMetrics,
        executor: Executor,
    ) -> None:
        """Knows no version yet.

        Args:
          name: The model's.
          folder: With a sub-folder for each version; it need not be there yet.
          labels: Names of versions, which are loaded beside the newest one.
          limits: For batches.
          metrics: Are told what is loaded.
          executor: Of one thread, where models run and are closed.
        """
        self.name = name
        self._folder = folder
        self._labels = labels
        self._limits = limits
        self._metrics = metrics
        self._executor = executor
        self._loaded: dict[int, Version] = {}
        self._statuses: dict[int, Any] = {}
        self._bad: dict[int, _Files] = {}
        self._said: set[str] = set()
        self._unloads: set[asyncio.Task[None]] = set()

    def find(self, version: int | None = None, label: str | None = None) -> Version:
        """Finds the version that a request is for.

        Args:
          version: Its number, if the request names it.
          label: Its label, likewise.

        Returns:
          The version; the newest one if neither is given.

        Raises:
          RequestError: None such is loaded.
        """
        wanted = f"Latest({self.name})"
        if label is not None:
            version = self.version_of(label)
        if version is not None:
            wanted = f"Specific({self.name}, {version})"
        number = max(self._loaded, default=None) if version is None else version
        if number is None or number not in self._loaded:
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return self._loaded[number]

    def version_of(self, label: str) -> int:
        """Returns the number of a label's version.

        Args:
          label: The label.

        Raises:
          RequestError: There is no such label.
        """
        if label not in self._labels:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        return self._labels[label]

    def check_name(self, name: str, version: int | None = None) -> None:
        """Refuses another model's name.

        Args:
          name: What a request names.
          version: What it names beside, for the message.

        Raises:
          RequestError: It is not this model's.
        """
        if name != self.name:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def statuses(self, version: int | None = None) -> Sequence[Any]:
        """Returns the state of a version, or of all that ever were, newest first.

        Args:
          version: Its number.

        Returns:
          ModelVersionStatus messages.

        Raises:
          RequestError: There never was such a version, or any.
        """
        if version is None and not self._statuses:
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {self.name}")
        if version is not None and version not in self._statuses:
            raise RequestError(
                Code.NOT_FOUND, f"Could not find version {version} of model {self.name}"
            )
        numbers = sorted(self._statuses, reverse=True) if version is None else [version]
        return [self._statuses[number] for number in numbers]

    async def watch(self, seconds: float) -> None:
        """Looks at the folder again and again.

        Args:
          seconds: Between two looks.
        """
        while True:
            try:
                await self.look()
            except Exception as error:  # the next look may succeed
                self._say(f"{self._folder}: cannot be looked at: {tf_error_text(error)}")
            await asyncio.sleep(seconds)

    async def look(self) -> None:
        """Looks at the folder once: what is new is loaded, and then what is old is unloaded.

        A version that cannot be loaded changes nothing: the next older one that can is served, and
        it is tried again when its files have changed. An empty folder unloads nothing.
        """
        found = await asyncio.to_thread(numbered_folders, self._folder)
        if not found and not self._loaded:
            self._say(f"{self._folder}: no version there yet; waiting for a push (unetfx run)")
        wanted = set()
        for number in sorted(found, reverse=True):
            if await self._serve(number, found[number]):
                wanted.add(number)
                break
        for label, number in self._labels.items():
            if number in found and await self._serve(number, found[number]):
                wanted.add(number)
            elif number not in found:
                self._say(f"version {number}, labelled {label}, is not in {self._folder}")
        if wanted:
            for number in set(self._loaded) - wanted:
                task = asyncio.create_task(self._unload(self._loaded.pop(number)))
                self._unloads.add(task)
                task.add_done_callback(self._unloads.discard)

    async def close(self) -> None:
        """Unloads everything, when what runs has ended."""
        while self._loaded:
            await self._unload(self._loaded.popitem()[1])
        await asyncio.gather(*self._unloads)

    async def _serve(self, number: int, path: str) -> bool:
        """Loads a version, unless it is, or is known to be bad; says whether it is served."""
        if number in self._loaded:
            return True
        files = await asyncio.to_thread(_files, path)
        if self._bad.get(number) == files:
            return False
        self._set_state(number, ModelVersionStatus.LOADING)
        try:
            if not any(name == "saved_model.pb" for name, *_ in files):
                raise ValueError("it has no saved_model.pb (empty, or still being copied?)")
            model = await asyncio.to_thread(LoadedModel, path)
        except Exception as error:  # a damaged file can make TensorFlow raise anything
            self._bad[number] = files
            self._metrics.load("failed")
            self._set_state(number, ModelVersionStatus.END, tf_error_text(error))
            instead = f"version {max(self._loaded)} goes on" if self._loaded else "none is served"
            log.warning(
                "version %d cannot be loaded, %s: %s", number, instead, tf_error_text(error)
            )
            return False
        self._bad.pop(number, None)
        self._loaded[number] = Version(number, model, self._batcher(model))
        self._metrics.load("loaded")
        self._metrics.available(number, True)
        self._set_state(number, ModelVersionStatus.AVAILABLE)
        log.info("version %d is served: %s", number, path)
        return True

    def _batcher(self, model: LoadedModel) -> Batcher:
        return Batcher(
            lambda images, seconds: model.run(SIGNATURE, {IMAGES: images}, seconds),
            self._executor,
            most_images=self._limits.batch,
            most_pixels=model.max_pixels,
            count=self._metrics.batch,
        )

    async def _unload(self, version: Version) -> None:
        self._metrics.available(version.number, False)
        self._set_state(version.number, ModelVersionStatus.UNLOADING)
        await version.idle()
        # In the thread where models run: an answer that nobody waits for may still be computed.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, version.model.close)
        if version.number not in self._loaded:  # else it has come back meanwhile
            self._set_state(version.number, ModelVersionStatus.END)
        log.info("version %d is unloaded", version.number)

    def _set_state(self, number: int, state: int, problem: str = "") -> None:
        status = ModelVersionStatus(version=number, state=state)
        status.status.SetInParent()
        if problem:
            status.status.error_code = tf.errors.UNKNOWN
            status.status.error_message = problem
        self._statuses[number] = status

    def _say(self, line: str) -> None:
        """Once: the folder is looked at every second."""
        if line not in self._said:
            self._said.add(line)
            log.warning(line)


def _files(path: str) -> _Files:
    """All files of a folder, with size and time: whether it has changed since the last look."""
    found = set()
    for folder, _, names in tf.io.gfile.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            stat = tf.io.gfile.stat(file)
            found.add((os.path.relpath(file, path), stat.length, stat.mtime_nsec))
    return frozenset(found)
