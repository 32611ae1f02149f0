"""Removes artifacts that only old runs need, and incomplete output of killed processes."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.blessings import blessed_models
from data.errors import InputError, MissingFileError
from data.files import (
    find_files,
    folder_state,
    is_folder,
    is_remote,
    join,
    relative_path,
    remove_folder,
)
from pipeline.config.config import Config
from pipeline.history.store import BLESSING, MODEL, Artifact, History, open_history
from serving.model.versions import numbered_folders, versions

_UNFINISHED = ".unfinished"  # folder of interrupted training and tuning, which can be resumed


class Cleaned(NamedTuple):
    """Result of a cleaning: removed artifacts and versions, and problems.

    Attributes:
      artifacts: Number of artifacts whose files were removed.
      versions: Numbers of the pushed versions that were removed.
      size: Total size of all removed files in bytes.
      problems: A line for each file that could not be removed, with the reason; the next cleaning
        tries again.
    """

    artifacts: int
    versions: Sequence[str]
    size: int
    problems: Sequence[str]

    @property
    def removed(self) -> bool:
        """Whether any artifact, version or other file was removed."""
        return bool(self.artifacts or self.versions)

    def __str__(self) -> str:
        """Returns a summary of the cleaning for people."""
        parts = [f"{self.artifacts} artifacts of old runs"] if self.artifacts else []
        if self.versions:
            parts.append(f"the pushed versions {', '.join(self.versions)}")
        return f"{' and '.join(parts)}, {self.size / 1e6:.0f} MB"


def clean(config: Config) -> Cleaned:
    """Removes the artifacts and versions that the config does not keep; no run may be in progress.

    These are kept:

    - the newest `retrain.keep_runs` runs with different reports, and all runs, failed or not, since
      the oldest of these runs;
    - the run that made the baseline, and the run that made the newest pushed version;
    - for each kept run everything that its components read: the examples, the model of a warm start
      and the baseline. So a repeated run is still cached;
    - each model with a pushed version, for `unetfx push`;
    - people's decisions, published reports and the records in ML Metadata, without limit.

    All other artifacts are marked for deletion in ML Metadata before their files are removed. TFX's
    cache and resolvers ignore artifacts that are marked for deletion.

    Args:
      config: The config of the pipeline.

    Returns:
      The removed artifacts and versions, and files that could not be removed.
    """
    history = open_history(config, for_writing=True)
    if history is None:
        return Cleaned(0, (), 0, ())
    remover = _Remover()
    removed_versions = _remove_versions(config, remover)
    _remove_unfinished_outputs(history, remover, config)
    newest = history.newest_runs(config.retrain.keep_runs)
    pushed = _pushed_versions(config, history)
    served = pushed[max(pushed)] if pushed else set()
    kept = newest | history.runs_that_made(served | _baseline(history))
    needed = history.touched_by(kept).union(*pushed.values())
    unneeded = [
        artifact
        for artifact in history.made
        if artifact.id not in needed
        and artifact.state != Artifact.DELETED
        and relative_path(artifact.uri, config.artifacts_folder)
    ]
    count = _remove_artifacts(history, unneeded, remover)
    if newest:
        oldest = min(run.began for run in history.runs if run.number in newest)
        _remove_abandoned_trainings(config, oldest, remover)
    return Cleaned(count, removed_versions, remover.size, remover.problems)


class _Remover:
    """Removes folders, sums up the removed bytes and collects problems."""

    def __init__(self) -> None:
        self.size = 0
        self.problems: list[str] = []

    def remove(self, folder: str) -> bool:
        """Removes a folder, and returns whether the folder no longer exists."""
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
        # TFX names each output folder after the execution ID. TFX removes the outputs of a failed
        # step, but not those of a killed one.
        for folder in find_files(join(config.artifacts_folder, f"*/*/{execution.id}")):
            remover.remove(folder)
        history.set_failed(execution)


def _pushed_versions(config: Config, history: History) -> dict[int, set[int]]:
    """Returns the ids of the model and blessings of each existing version, by version number."""
    present = set(numbered_folders(config.serving_folder).values())
    pushed = ((folder, ids) for folder, ids in history.pushed() if folder in present)
    # The folder may be a gs:// URL, which Path would change.
    return {int(os.path.basename(folder)): ids for folder, ids in pushed}  # noqa: PTH119


def _baseline(history: History) -> set[int]:
    """Returns the id of the baseline for the next model: a set of one id, or empty."""
    blessed = blessed_models(history.live(MODEL), history.live(BLESSING))
    present = (model for model, _ in blessed if is_folder(model.uri))
    return {model.id for model in itertools.islice(present, 1)}


def _remove_artifacts(history: History, artifacts: Sequence[Artifact], remover: _Remover) -> int:
    """Marks artifacts for deletion, removes their files, and returns the number of removed ones."""
    if not artifacts:
        return 0
    # Artifacts are marked before their files are removed, so that no step uses an incomplete
    # artifact.
    history.set_state(artifacts, Artifact.MARKED_FOR_DELETION)
    removed = [artifact for artifact in artifacts if remover.remove(artifact.uri)]
    history.set_state(removed, Artifact.DELETED)
    return len(removed)


def _remove_abandoned_trainings(config: Config, before: float, remover: _Remover) -> None:
    """Removes checkpoints of interrupted training runs and searches unchanged since a time.

    Args:
      config: The config of the pipeline.
      before: The time, in seconds since 1970.
      remover: Removes the folders.
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
            # The folder is renamed first, because a server loads every folder with a number as its
            # name, even an incomplete one. Object stores cannot rename a folder.
            folder = str(Path(folder).rename(f"{serving}/.{version}"))
        remover.remove(folder)
    return unneeded
