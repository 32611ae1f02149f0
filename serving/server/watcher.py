"""Watches the push folder, loads new versions of the model, and unloads old ones."""

import asyncio
import logging
from concurrent.futures import Executor

from data.files.finding import list_files
from data.files.paths import join
from data.files.state import file_state
from serving.model.tf_errors import tf_error_text
from serving.model.versions import MODEL_FILE, numbered_folders
from serving.server.batching import Batcher
from serving.server.limits import Limits
from serving.server.loaded_model import LoadedModel
from serving.server.metrics import ServerMetrics
from serving.server.version import Version
from serving.server.versions import ModelVersionStatus, Versions
from serving.signature import IMAGES, SIGNATURE

log = logging.getLogger(__name__)

_Files = frozenset[tuple[str, int, int]]


class Watcher:
    """Loads and unloads versions when the push folder changes; runs in an event loop."""

    def __init__(
        self,
        versions: Versions,
        folder: str,
        limits: Limits,
        metrics: ServerMetrics,
        executor: Executor,
    ) -> None:
        """Creates a watcher that has not yet read the push folder.

        Args:
          versions: Object to which loaded versions are added.
          folder: Push folder with a sub-folder for each version. The folder need not exist yet.
          limits: Limits of the server, which include the maximum number of images in a batch.
          metrics: Metrics that count loaded versions and batches.
          executor: Single-threaded executor in which models run and are closed.
        """
        self._versions = versions
        self._folder = folder
        self._limits = limits
        self._metrics = metrics
        self._executor = executor
        self._bad: dict[int, _Files] = {}
        self._logged: set[str] = set()
        self._unloads: set[asyncio.Task[None]] = set()

    async def watch(self, seconds: float) -> None:
        """Polls the push folder until cancelled, and loads and unloads versions.

        Args:
          seconds: Pause between two polls of the folder, in seconds.
        """
        while True:
            try:
                await self.update()
            except Exception as error:  # the next poll may succeed, so polling continues
                self._warn_once(f"{self._folder}: cannot be read: {tf_error_text(error)}")
            await asyncio.sleep(seconds)

    async def update(self) -> None:
        """Reads the push folder once, loads new versions, and then unloads old versions.

        If the newest version cannot be loaded, the newest version that can be loaded is served
        instead. A version that failed to load is tried again after its files have changed. If no
        version can be loaded, for example because the folder is empty, no version is unloaded.
        """
        folders = await asyncio.to_thread(numbered_folders, self._folder)
        loaded = self._versions.loaded
        if not folders and not loaded:
            self._warn_once(
                f"{self._folder}: no version there yet; waiting for a push (unetfx run)"
            )
        wanted = set()
        for number in sorted(folders, reverse=True):
            if await self._load(number, folders[number]):
                wanted.add(number)
                break
        for label, number in self._versions.labels.items():
            if number in folders and await self._load(number, folders[number]):
                wanted.add(number)
            elif number not in folders:
                self._warn_once(f"version {number}, labelled {label}, is not in {self._folder}")
        if wanted:
            for number in set(loaded) - wanted:
                task = asyncio.create_task(self._unload(loaded.pop(number)))
                self._unloads.add(task)
                task.add_done_callback(self._unloads.discard)

    async def close(self) -> None:
        """Unloads all versions, each after its requests in progress are complete."""
        while self._versions.loaded:
            await self._unload(self._versions.loaded.popitem()[1])
        await asyncio.gather(*self._unloads)

    async def _load(self, number: int, path: str) -> bool:
        """Loads a version, unless it is already loaded or the same files failed to load before.

        Returns:
          Whether the version is loaded.
        """
        if number in self._versions.loaded:
            return True
        files = await asyncio.to_thread(_files, path)
        if self._bad.get(number) == files:
            return False
        self._versions.set_status(number, ModelVersionStatus.LOADING)
        try:
            if not any(name == MODEL_FILE for name, *_ in files):
                raise ValueError(f"it has no {MODEL_FILE} (empty, or still being copied?)")
            model = await asyncio.to_thread(LoadedModel, path)
        except Exception as error:  # TensorFlow may raise any exception for a damaged SavedModel
            self._bad[number] = files
            self._metrics.load("failed")
            reason = tf_error_text(error)
            self._versions.set_status(number, ModelVersionStatus.END, reason)
            loaded = self._versions.loaded
            served = f"still serving version {max(loaded)}" if loaded else "no version is served"
            log.warning("version %d cannot be loaded, %s: %s", number, served, reason)
            return False
        self._bad.pop(number, None)
        self._versions.loaded[number] = Version(number, model, self._batcher(model))
        self._metrics.load("loaded")
        self._metrics.available(number, True)
        self._versions.set_status(number, ModelVersionStatus.AVAILABLE)
        log.info("serving version %d: %s", number, path)
        return True

    def _batcher(self, model: LoadedModel) -> Batcher:
        return Batcher(
            lambda images, seconds: model.run(SIGNATURE, {IMAGES: images}, seconds),
            self._executor,
            max_images=self._limits.batch,
            max_pixels=model.max_pixels,
            count=self._metrics.batch,
        )

    async def _unload(self, version: Version) -> None:
        self._metrics.available(version.number, False)
        self._versions.set_status(version.number, ModelVersionStatus.UNLOADING)
        await version.idle()
        # Models are closed in the thread that runs them, so closing waits for runs that continue
        # after their clients have disconnected.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, version.model.close)
        # If the version has been loaded again in the meantime, its status must not become END.
        if version.number not in self._versions.loaded:
            self._versions.set_status(version.number, ModelVersionStatus.END)
        log.info("unloaded version %d", version.number)

    def _warn_once(self, line: str) -> None:
        """Logs each warning only once, because the folder is read every second."""
        if line not in self._logged:
            self._logged.add(line)
            log.warning(line)


def _files(path: str) -> _Files:
    """Returns the name, size and modification time of each file in a folder, to detect changes."""
    states = {name: file_state(join(path, name)) for name in list_files(path)}
    return frozenset((name, state.size, state.modified) for name, state in states.items())
