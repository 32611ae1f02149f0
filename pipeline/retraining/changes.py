"""What is new since the last turn of `unetfx retrain`, found without TensorFlow in seconds."""

import hashlib
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from data.config import Strict
from data.errors import InputError
from data.files import file_state, is_file, new_file, read_text
from data.sources.pairs import find_pairs, fingerprint, newest_span
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config

_FILE = "retrain.json"
_PIPELINE = "pipeline.create_pipeline"
_TICK_NS = 2_000_000_000  # no file system's clock is coarser


class State(Strict):
    """All that a run depends on.

    Attributes:
      span: Number of the newest span, 0 if the source has none.
      pairs: How many pairs there are.
      data: Fingerprint of the pairs and their contents, as the pipeline's own cache takes it.
      files: The same, of the files' sizes and times instead of their contents; None where that
        would not show the next change.
      settings: Hash of the config.
      schema_text: Hash of the schema that the user keeps, empty if there is none yet.
      code: Hash of our code.
    """

    span: int
    pairs: int
    data: str
    files: str | None
    settings: str
    schema_text: str
    code: str


class Turn(Strict):
    """A turn that ended with a verdict.

    Attributes:
      state: What it ran on.
      run: Id of its run.
      outcome: As in `Notice`.
      reasons: Why nothing was pushed.
    """

    state: State
    run: str
    outcome: str
    reasons: list[str]


class News(NamedTuple):
    """What a turn finds.

    Attributes:
      state: All that a run would depend on.
      words: What is new, a few words for each; none if nothing is.
      last: The last turn that ended with a verdict; None if there was none.
    """

    state: State
    words: Sequence[str]
    last: Turn | None


def find_news(config: Config) -> News:
    """Compares data, settings and code with those of the last turn that ended with a verdict.

    The contents of the files are read only where sizes or times have changed.

    Args:
      config: The config.

    Returns:
      What is new.

    Raises:
      InputError: The source as a whole cannot be used.
    """
    last = _read(config)
    began = time.time_ns()
    found = find_pairs(config.data, name=config.name, folder=str(config.source_folder))
    states = _States()
    files = fingerprint(found, states)
    same_files = last is not None and last.state.files == files
    state = State(
        span=newest_span(found),
        pairs=len(found.pairs),
        data=last.state.data if last and same_files else fingerprint(found),
        # A file that changes once more within the same tick of the clock would look unchanged.
        files=files if states.newest < began - _TICK_NS else None,
        settings=_hash(config.model_dump_json(exclude=set(AROUND_A_RUN))),
        schema_text=_schema(config),
        code=code_version(_PIPELINE),
    )
    return News(state, _words(state, last.state if last else None), last)


def as_it_was_read(config: Config, state: State, data: str) -> State:
    """Corrects a state by what the run has really read, which may be later than the turn's look.

    Args:
      config: Names the pipeline.
      state: What the turn found before it ran.
      data: Fingerprint of what the pipeline then read.
    """
    changes: dict[str, str | None] = {}
    if data != state.data:
        changes |= {"data": data, "files": None}
    if not state.schema_text:  # this run has inferred it
        changes["schema_text"] = _schema(config)
    return state.model_copy(update=changes)


def remember(config: Config, turn: Turn) -> None:
    """Remembers a turn that ended with a verdict, for the next one.

    Args:
      config: Names the pipeline.
      turn: What came of it.
    """
    with new_file(str(config.home / _FILE)) as file:
        file.write(turn.model_dump_json(indent=1).encode())


class _States:
    """Stands for contents by sizes and times; threads share it."""

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


def _read(config: Config) -> Turn | None:
    path = config.home / _FILE
    try:
        return Turn.model_validate_json(path.read_text())
    except (OSError, ValueError):  # an older unetfx wrote it
        return None


def _words(now: State, before: State | None) -> list[str]:
    if before is None:
        return [f"{now.pairs} pairs, the first turn"]
    words = []
    if now.data != before.data:
        words.append(f"span {now.span}" if now.span > before.span else "data")
    changed = {"settings": "settings", "schema_text": "schema", "code": "code"}
    return words + [
        word for key, word in changed.items() if getattr(now, key) != getattr(before, key)
    ]


def _schema(config: Config) -> str:
    file = config.schema_file
    return _hash(read_text(file)) if is_file(file) else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
