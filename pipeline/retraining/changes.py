"""Finds changes to data, config and code since the last retraining, without loading TensorFlow."""

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
_TICK_NS = 2_000_000_000  # coarsest resolution of file timestamps: 2 s


class State(Strict):
    """Fingerprints of everything that the results of a run depend on.

    Attributes:
      span: Number of the newest span; 0 if the source has no spans.
      pairs: Number of pairs of image and mask files.
      data: Fingerprint of the pairs and the contents of their files; ExampleGen's cache key
        includes the same fingerprint.
      files: Fingerprint of the pairs and the sizes and timestamps of their files; None if a file
        changed so recently that another change might not alter its timestamps.
      settings: Hash of the config, without the sections in `AROUND_A_RUN`.
      schema_text: Hash of the content of the user's schema file; empty if the file does not exist.
      code: Hash of the source code of the pipeline.
    """

    span: int
    pairs: int
    data: str
    files: str | None
    settings: str
    schema_text: str
    code: str


class PastRetraining(Strict):
    """A retraining whose pipeline run finished.

    Attributes:
      state: Fingerprints of the data, config, schema and code that the run used.
      run: ID of the pipeline run.
      outcome: `pushed`, `not_blessed`, `does_not_serve`, or `nothing_new` if the run only reused
        cached outputs; see `Notice`.
      reasons: Reasons why the model was not pushed, one line each.
    """

    state: State
    run: str
    outcome: str
    reasons: list[str]


class Changes(NamedTuple):
    """Changes since the last retraining whose pipeline run finished.

    Attributes:
      state: Current fingerprints of the data, config, schema and code.
      names: A short name for each change, such as `span 3` or `code`; empty if nothing changed.
      last: The last retraining whose pipeline run finished; None if no run has finished yet.
    """

    state: State
    names: Sequence[str]
    last: PastRetraining | None


def find_changes(config: Config) -> Changes:
    """Compares the current data, config, schema and code with the state of the last retraining.

    The contents of data files are read only if the names, sizes or timestamps of the files differ
    from those at the last retraining, or were too recent to be compared.

    Args:
      config: The config of the pipeline.

    Returns:
      The changes, together with the current fingerprints.

    Raises:
      InputError: The data source cannot be read, for example because its folder is missing.
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
        # The fingerprint is not saved if a file changed in the last two seconds, because another
        # change within the resolution of the timestamps would not alter the fingerprint.
        files=files if states.newest < start - _TICK_NS else None,
        settings=_hash(config.model_dump_json(exclude=set(AROUND_A_RUN))),
        schema_text=_schema(config),
        code=code_version(_PIPELINE),
    )
    return Changes(state, _changes(state, last.state if last else None), last)


def state_of_run(config: Config, state: State, data: str) -> State:
    """Returns the state that a run used.

    The state may differ from the one before the run, because files may have changed in between.

    Args:
      config: The config of the pipeline.
      state: State before the run, as returned by `find_changes`.
      data: Fingerprint of the data that the run read.
    """
    changes: dict[str, str | None] = {}
    if data != state.data:
        changes |= {"data": data, "files": None}
    # If the schema file did not exist before, the run has written it. The next retraining must not
    # regard the new file as a change.
    if not state.schema_text:
        changes["schema_text"] = _schema(config)
    return state.model_copy(update=changes)


def save_retraining(config: Config, retraining: PastRetraining) -> None:
    """Saves a finished retraining, so that the next one can find what has changed since.

    Args:
      config: The config of the pipeline.
      retraining: The finished retraining.
    """
    write_text(str(config.home / _FILE), retraining.model_dump_json(indent=1))


class _FileStates:
    """Hashes the sizes and timestamps of files instead of their contents; thread-safe."""

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
