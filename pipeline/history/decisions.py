"""What people decide against, or beside, the gate: recorded in ML Metadata, for ever."""

import datetime
import getpass
import os
import time
from collections.abc import Mapping
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.utils import path_utils

from components.blessings import WHO
from components.evaluator.baseline import why_not_loaded
from data.errors import InputError
from pipeline.config.config import Config
from serving.model.versions import push_model

_EXECUTION = "unetfx.Decision"
_BLESSED, _WITHDREW, _PUSHED_IT = "blessed it", "withdrew its blessing", "pushed it"
_BLESSING, _PUSHED = "ModelBlessing", "PushedModel"
_WHEN, _WHY = "when", "why"
_MODEL_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY


class Decision(NamedTuple):
    """One of a person's decisions about a model.

    Attributes:
      kind: `blessed it`, `withdrew its blessing` or `pushed it`.
      who: The person's user name.
      when: Date and time, UTC.
      why: The reason given; empty for a push.
      pushed_to: The version's folder; None unless it was pushed.
    """

    kind: str
    who: str
    when: str
    why: str
    pushed_to: str | None

    def __str__(self) -> str:
        """Says it in words."""
        reason = f": {self.why}" if self.why else ""
        return f"{self.who} {self.kind} on {self.when}{reason}"

    @property
    def blessed(self) -> bool | None:
        """Whether the model was blessed by this; None if it was only pushed."""
        return None if self.pushed_to else self.kind == _BLESSED


def decide(
    config: Config,
    store: mlmd.MetadataStore,
    model: metadata_store_pb2.Artifact,
    *,
    blessed: bool,
    why: str,
) -> None:
    """Blesses a model, or withdraws its blessing. The last blessing counts.

    Args:
      config: Names the pipeline.
      store: Open for writing.
      model: The model's artifact.
      blessed: Whether it may be pushed, and compared with.
      why: The reason.

    Raises:
      InputError: No reason is given.
    """
    if not why.strip():
        raise InputError("--why: say in a few words why; it is kept with the decision.")
    artifact = _artifact(store, _BLESSING, model, why)
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    artifact.custom_properties[constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value = value
    artifact.custom_properties[
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
    ].string_value = model.uri
    folder = config.artifacts_folder / "decisions" / str(time.time_ns())
    folder.mkdir(parents=True)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    (folder / name).write_text(f"{why}\n")
    artifact.uri = str(folder)
    _record(config, store, artifact, model)


def push(config: Config, store: mlmd.MetadataStore, model: metadata_store_pb2.Artifact) -> str:
    """Pushes a model as a new version, which TF Serving then takes up.

    Args:
      config: Names the pipeline.
      store: Open for writing.
      model: The model's artifact.

    Returns:
      The version's folder: complete, or not there at all.

    Raises:
      InputError: The model's files are gone, or do not load.
    """
    source = path_utils.serving_model_path(model.uri)
    if problem := why_not_loaded(source):
        raise InputError(f"{source}: cannot be pushed: {problem}. Push another run's model.")
    version = push_model(source, config.serving_folder)
    artifact = _artifact(store, _PUSHED, model, "")
    artifact.custom_properties["pushed"].int_value = 1
    artifact.custom_properties["pushed_destination"].string_value = version
    artifact.uri = version
    _record(config, store, artifact, model)
    return version


def decisions(store: mlmd.MetadataStore) -> Mapping[int, list[Decision]]:
    """Finds all decisions.

    Args:
      store: The metadata store.

    Returns:
      Model id to the decisions about it, oldest first.
    """
    found: dict[int, list[Decision]] = {}
    for kind in (_BLESSING, _PUSHED):
        for artifact in store.get_artifacts_by_type(kind):
            properties = artifact.custom_properties
            if WHO not in properties:
                continue
            blessed = properties[constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == 1
            pushed_to = properties["pushed_destination"].string_value or None
            done = _PUSHED_IT if pushed_to else _BLESSED if blessed else _WITHDREW
            who, when, why = (properties[name].string_value for name in (WHO, _WHEN, _WHY))
            found.setdefault(properties[_MODEL_ID].int_value, []).append(
                Decision(done, who, when, why, pushed_to)
            )
    return {model: sorted(made, key=lambda d: d.when) for model, made in found.items()}


def _artifact(
    store: mlmd.MetadataStore, kind: str, model: metadata_store_pb2.Artifact, why: str
) -> metadata_store_pb2.Artifact:
    # A run that made a model has registered both types.
    type_id = store.get_artifact_type(kind).id
    artifact = metadata_store_pb2.Artifact(type_id=type_id, type=kind)
    artifact.state = metadata_store_pb2.Artifact.LIVE
    artifact.custom_properties[_MODEL_ID].int_value = model.id
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "seconds")
    for name, value in ((WHO, _who()), (_WHEN, now), (_WHY, why.strip())):
        artifact.custom_properties[name].string_value = value
    return artifact


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name; which error, Python differs
        return f"user {os.getuid()}"


def _record(
    config: Config,
    store: mlmd.MetadataStore,
    artifact: metadata_store_pb2.Artifact,
    model: metadata_store_pb2.Artifact,
) -> None:
    """Ties it to the pipeline, where TFX's resolvers look, and to no run."""
    type_id = store.put_execution_type(metadata_store_pb2.ExecutionType(name=_EXECUTION))
    execution = metadata_store_pb2.Execution(
        type_id=type_id, last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    context = store.get_context_by_type_and_name("pipeline", config.name)
    output, read = metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INPUT
    store.put_execution(
        execution,
        [(model, _event(read, "model")), (artifact, _event(output, artifact.type))],
        [context],
    )


def _event(kind: int, key: str) -> metadata_store_pb2.Event:
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event
