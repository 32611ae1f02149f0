"""Removes artifacts that only old runs used, and incomplete outputs of killed processes."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.blessings import blessed_models
from data.errors import InputError, MissingFileError
from data.files.finding import find_files, is_folder
from data.files.paths import is_remote, join, relative_path
from data.files.removing import remove_folder
from data.files.state import folder_state
from pipeline.config.config import Config
from pipeline.history.pushed import pushed_versions
from pipeline.history.store import BLESSING, MODEL, Artifact, History, open_history
from serving.model.versions import versions

_UNFINISHED = ".unfinished"  # folder for interrupted training runs and searches


class Cleaned(NamedTuple):
    """Result of `clean`: the removed artifacts and versions, and any problems.

    Attributes:
      artifacts: Number of artifacts whose files were removed.
      versions: Version numbers of the pushed versions that were removed.
      size: Total size of the removed local files, in bytes.
      problems: One line for each folder that could not be removed, with the reason. The next call
        to `clean` tries again if the folder belongs to an artifact or contains checkpoints.
    """

    artifacts: int
    versions: Sequence[str]
    size: int
    problems: Sequence[str]

    @property
    def removed(self) -> bool:
        """Whether any artifact or version was removed."""
        return bool(self.artifacts or self.versions)

    def __str__(self) -> str:
        """Returns a summary, such as `12 artifacts of old runs, 340 MB`."""
        parts = [f"{self.artifacts} artifacts of old runs"] if self.artifacts else []
        if self.versions:
            parts.append(f"the pushed versions {', '.join(self.versions)}")
        return f"{' and '.join(parts)}, {self.size / 1e6:.0f} MB"


def clean(config: Config) -> Cleaned:
    """Removes old artifacts and pushed versions; must not be called while a run is in progress.

    The function keeps:

    - all artifacts of the newest runs, up to the `retrain.keep_runs`-th run with a report of its
      own. Failed runs among them are kept, too;
    - all artifacts of the run that made the baseline, and of the run that made the newest pushed
      version;
    - all artifacts that these runs read, such as the examples, the model for a warm start and the
      baseline, so that repeating one of these runs still hits TFX's cache;
    - the model of each pushed version, so that `unetfx push` can push it again;
    - recorded decisions of users, published reports and records in ML Metadata.

    All other artifacts are marked for deletion in ML Metadata before their files are removed. TFX's
    cache and resolvers ignore artifacts that are marked for deletion, so no run uses an incomplete
    artifact.

    Args:
      config: The config of the pipeline.

    Returns:
      The removed artifacts and versions, and any problems.
    """
    history = open_history(config, for_writing=True)
    if history is None:
        return Cleaned(0, (), 0, ())
    remover = _Remover()
    removed_versions = _remove_versions(config, remover)
    _remove_unfinished_outputs(history, remover, config)
    newest = history.newest_runs(config.retrain.keep_runs)
    pushed = pushed_versions(config, history)
    served = pushed[max(pushed)] if pushed else set()
    kept = newest | history.runs_that_made(served | _baseline(history))
    needed = history.touched_by(kept).union(*pushed.values())
    unneeded = [
        artifact
        for artifact in history.made
        if artifact.id not in needed
        and artifact.state != Artifact.DELETED
        and relative_path(artifact.uri, config.artifacts_folder) not in (None, ".")
    ]
    count = _remove_artifacts(history, unneeded, remover)
    if newest:
        oldest = min(run.began for run in history.runs if run.number in newest)
        _remove_abandoned_trainings(config, oldest, remover)
    return Cleaned(count, removed_versions, remover.size, remover.problems)


class _Remover:
    """Removes folders, and records the number of bytes removed and any problems."""

    def __init__(self) -> None:
        self.size = 0
        self.problems: list[str] = []

    def remove(self, folder: str) -> bool:
        """Removes a folder if it exists; returns False if it cannot be removed."""
        try:
            size = folder_state(folder).size
            remove_folder(folder)
        except MissingFileError:
            return True
        except InputError as error:
            self.problems.append(str(error))
            return False
        self.size += size
        return True


def _remove_unfinished_outputs(history: History, remover: _Remover, config: Config) -> None:
    for execution in history.unfinished:
        # TFX removes the outputs of an execution that fails, but not of one that is killed. The
        # name of an output folder is the ID of the execution.
        for folder in find_files(join(config.artifacts_folder, f"*/*/{execution.id}")):
            remover.remove(folder)
        history.set_failed(execution)


def _baseline(history: History) -> set[int]:
    """Returns the artifact ID of the next model's baseline, as a set; empty if there is none."""
    blessed = blessed_models(history.live(MODEL), history.live(BLESSING))
    present = (model for model, _ in blessed if is_folder(model.uri))
    return {model.id for model in itertools.islice(present, 1)}


def _remove_artifacts(history: History, artifacts: Sequence[Artifact], remover: _Remover) -> int:
    """Marks artifacts for deletion, removes their files, and returns the number removed."""
    if not artifacts:
        return 0
    # Artifacts are marked before their files are removed, so that no step uses an incomplete
    # artifact.
    history.set_state(artifacts, Artifact.MARKED_FOR_DELETION)
    removed = [artifact for artifact in artifacts if remover.remove(artifact.uri)]
    history.set_state(removed, Artifact.DELETED)
    return len(removed)


def _remove_abandoned_trainings(config: Config, before: float, remover: _Remover) -> None:
    """Removes checkpoints of training runs and searches that were interrupted before a given time.

    Args:
      config: The config of the pipeline.
      before: The given time, as a Unix timestamp in seconds.
      remover: Object that removes the folders, and records their sizes and any problems.
    """
    for pattern in (f"*/{_UNFINISHED}/*", f"*/*/{_UNFINISHED}/*"):
        for folder in find_files(join(config.artifacts_folder, pattern)):
            if folder_state(folder).modified < before * 1e9:
                remover.remove(folder)


def _remove_versions(config: Config, remover: _Remover) -> list[str]:
    """Removes the oldest pushed versions beyond `retrain.keep_versions`; returns their numbers."""
    keep, serving = config.retrain.keep_versions, config.serving_folder
    unneeded = versions(serving)[keep:] if keep else []
    for version in unneeded:
        folder = os.path.join(serving, version)
        if not is_remote(folder):
            # The folder is renamed first, because a model server loads every folder whose name is a
            # number, even an incomplete one. Object stores cannot rename a folder.
            folder = str(Path(folder).rename(f"{serving}/.{version}"))
        remover.remove(folder)
    return unneeded
