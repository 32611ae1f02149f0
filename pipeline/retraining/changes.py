"""Finds changes to data, config and code since the last retraining, without loading TensorFlow."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from components.example_gen.listing_job import listing_job
from data.config import Strict
from data.files.finding import is_file
from data.files.reading import read_text
from data.files.writing import write_text
from data.listing.kept_listing import update_listing
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config

_FILE = "retrain.json"
_PIPELINE = "pipeline.create_pipeline"


class State(Strict):
    """Fingerprints of everything that the results of a run depend on.

    Attributes:
      spans: Numbers of the spans, in order; only 0 if the source has no spans.
      pairs: Number of pairs of image and mask files.
      data: Fingerprint of the pairs and the contents of their files; ExampleGen's cache key
        includes the same fingerprint.
      settings: Hash of the config, without the sections in `AROUND_A_RUN`.
      schema_text: Hash of the content of the user's schema file; empty if the file does not exist.
      code: Hash of the source code of the pipeline.
    """

    spans: list[int]
    pairs: int
    data: str
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

    A data file is read only if its size or time stamps differ from those when it was last hashed,
    or if it had changed too recently then for its time stamps to be compared.

    Args:
      config: The config of the pipeline.

    Returns:
      The changes, together with the current fingerprints.

    Raises:
      InputError: The data source cannot be read, for example because its folder is missing.
    """
    last = _read(config)
    folder = config.listing_folder
    census = update_listing(
        config.data,
        folder,
        listing_job(config.data.source, config.beam.arguments(), folder),
        name=config.name,
        own_folder=str(config.source_folder),
    ).census
    state = State(
        spans=sorted(census.spans),
        pairs=census.pairs.total(),
        data=census.fingerprint,
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
    changes = {"data": data}
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
        changes += [f"span {number}" for number in _new_spans(now, before)] or ["data"]
    names = {"settings": "settings", "schema_text": "schema", "code": "code"}
    return changes + [
        name for key, name in names.items() if getattr(now, key) != getattr(before, key)
    ]


def _new_spans(now: State, before: State) -> list[int]:
    """Returns the spans that have arrived, not those that `newest_spans` includes once more."""
    arrived = [number for number in now.spans if number not in before.spans]
    if len(now.spans) > len(before.spans):
        return arrived
    return [number for number in arrived if number > min(before.spans, default=0)]


def _schema(config: Config) -> str:
    file = config.schema_file
    return _hash(read_text(file)) if is_file(file) else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
