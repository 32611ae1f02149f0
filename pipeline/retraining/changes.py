"""Finds changes since the last retraining, within seconds and without loading TensorFlow."""

import hashlib
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from data.config import Strict
from data.errors import InputError
from data.files import file_state, is_file, read_text, write_text
from data.sources.pairs import find_pairs, fingerprint, newest_span
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config

_FILE = "retrain.json"
_PIPELINE = "pipeline.create_pipeline"
_TICK_NS = 2_000_000_000  # the coarsest file-system timestamps have a resolution of 2 s


class State(Strict):
    """Everything that the output of a run depends on.

    Attributes:
      span: Number of the newest span; 0 if the source has no spans.
      pairs: Number of pairs.
      data: Fingerprint of the pairs and the contents of their files, as in the pipeline's cache.
      files: Fingerprint of the pairs and the sizes and times of their files; None if it might miss
        the next change.
      settings: Hash of the config.
      schema_text: Hash of the user's schema file; empty if there is no such file yet.
      code: Hash of the pipeline's code.
    """

    span: int
    pairs: int
    data: str
    files: str | None
    settings: str
    schema_text: str
    code: str


class PastRetraining(Strict):
    """A retraining that ended with a verdict.

    Attributes:
      state: State that it ran on.
      run: Id of its run.
      outcome: See `Notice`.
      reasons: Why nothing was pushed, a line each.
    """

    state: State
    run: str
    outcome: str
    reasons: list[str]


class Changes(NamedTuple):
    """Changes since the last retraining that ended with a verdict.

    Attributes:
      state: The present state.
      names: A short name for each change; empty if there is none.
      last: The last retraining that ended with a verdict; None if there is none.
    """

    state: State
    names: Sequence[str]
    last: PastRetraining | None


def find_changes(config: Config) -> Changes:
    """Compares data, settings and code with those of the last retraining.

    The contents of the files are read only if a size or a time has changed.

    Args:
      config: The config.

    Returns:
      The changes.

    Raises:
      InputError: The source as a whole cannot be used.
    """
    last = _read(config)
    start = time.time_ns()
    source = find_pairs(config.data, name=config.name, folder=str(config.source_folder))
    states = _FileStates()
    files = fingerprint(source, states)
    same_files = last is not None and last.state.files == files
    state = State(
        span=newest_span(source),
        pairs=len(source.pairs),
        data=last.state.data if last and same_files else fingerprint(source),
        # File states are only trusted if no file is newer than the timestamp resolution: a second
        # change within it would keep the timestamp.
        files=files if states.newest < start - _TICK_NS else None,
        settings=_hash(config.model_dump_json(exclude=set(AROUND_A_RUN))),
        schema_text=_schema(config),
        code=code_version(_PIPELINE),
    )
    return Changes(state, _changes(state, last.state if last else None), last)


def state_of_run(config: Config, state: State, data: str) -> State:
    """Returns the state that a run has read: files may change between `find_changes` and the run.

    Args:
      config: The config.
      state: State before the run.
      data: Fingerprint of the data that the run has read.
    """
    changes: dict[str, str | None] = {}
    if data != state.data:
        changes |= {"data": data, "files": None}
    # If there was no schema file, the run has inferred the schema and written the file.
    if not state.schema_text:
        changes["schema_text"] = _schema(config)
    return state.model_copy(update=changes)


def save_retraining(config: Config, retraining: PastRetraining) -> None:
    """Saves a retraining that ended with a verdict, for the next one to compare with.

    Args:
      config: The config.
      retraining: The retraining.
    """
    write_text(str(config.home / _FILE), retraining.model_dump_json(indent=1))


class _FileStates:
    """Hashes sizes and times of files instead of their contents. Safe for several threads."""

    def __init__(self) -> None:
        self.newest = 0
        self._lock = threading.Lock()

    def __call__(self, path: str) -> bytes:
        try:
            state = file_state(path)
        except InputError:
            return hashlib.sha256().digest()
        with self._lock:
            self.newest = max(self.newest, state.changed)
        return hashlib.sha256(repr(tuple(state)).encode()).digest()


def _read(config: Config) -> PastRetraining | None:
    path = config.home / _FILE
    try:
        return PastRetraining.model_validate_json(path.read_text())
    except (OSError, ValueError):  # the file is missing or was written by an older version
        return None


def _changes(now: State, before: State | None) -> list[str]:
    if before is None:
        return [f"{now.pairs} pairs, the first retraining"]
    changes = []
    if now.data != before.data:
        changes.append(f"span {now.span}" if now.span > before.span else "data")
    names = {"settings": "settings", "schema_text": "schema", "code": "code"}
    return changes + [
        name for key, name in names.items() if getattr(now, key) != getattr(before, key)
    ]


def _schema(config: Config) -> str:
    file = config.schema_file
    return _hash(read_text(file)) if is_file(file) else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
