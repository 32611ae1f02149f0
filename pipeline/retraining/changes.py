"""Finds changes of data, config and code since the last retraining, without loading TensorFlow."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from components.example_gen.listing_job import listing_job
from data.config import Strict
from data.files import is_file, read_text, write_text
from data.sources.kept_listing import update_listing
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config

_FILE = "retrain.json"
_PIPELINE = "pipeline.create_pipeline"


class State(Strict):
    """Fingerprints of everything that the results of a run depend on.

    Attributes:
      span: Number of the newest span; 0 if the source has no spans.
      pairs: Number of pairs of image and mask files.
      data: Fingerprint of the pairs and the contents of their files, the same as in ExampleGen's
        cache key.
      settings: Hash of the config.
      schema_text: Hash of the user's schema file; empty if the file does not exist yet.
      code: Hash of the pipeline's code.
    """

    span: int
    pairs: int
    data: str
    settings: str
    schema_text: str
    code: str


class PastRetraining(Strict):
    """A retraining that ended with a verdict.

    Attributes:
      state: Fingerprints of the data, config and code of the retraining.
      run: Id of the pipeline run.
      outcome: `pushed`, `not_blessed` or `does_not_serve`; see `Notice`.
      reasons: Why the model was not pushed, one line for each reason.
    """

    state: State
    run: str
    outcome: str
    reasons: list[str]


class Changes(NamedTuple):
    """Changes since the last retraining that ended with a verdict.

    Attributes:
      state: Current fingerprints of the data, config and code.
      names: A short name for each change; empty without changes.
      last: The last retraining that ended with a verdict; None before the first one.
    """

    state: State
    names: Sequence[str]
    last: PastRetraining | None


def find_changes(config: Config) -> Changes:
    """Compares the current data, config, schema and code with those of the last retraining.

    Only files whose size or times have changed are read.

    Args:
      config: The config of the pipeline.

    Returns:
      The changes, with the current fingerprints.

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
        span=census.newest_span,
        pairs=census.pairs.total(),
        data=census.fingerprint,
        settings=_hash(config.model_dump_json(exclude=set(AROUND_A_RUN))),
        schema_text=_schema(config),
        code=code_version(_PIPELINE),
    )
    return Changes(state, _changes(state, last.state if last else None), last)


def state_of_run(config: Config, state: State, data: str) -> State:
    """Returns the state that a run used: files may have changed between `find_changes` and the run.

    Args:
      config: The config of the pipeline.
      state: State before the run, from `find_changes`.
      data: Fingerprint of the data that the run has read.
    """
    changes = {"data": data}
    # If there was no schema file, the run has inferred the schema and written the file.
    if not state.schema_text:
        changes["schema_text"] = _schema(config)
    return state.model_copy(update=changes)


def save_retraining(config: Config, retraining: PastRetraining) -> None:
    """Saves a retraining that ended with a verdict, for comparison in the next retraining.

    Args:
      config: The config of the pipeline.
      retraining: State, run and outcome of the retraining.
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
