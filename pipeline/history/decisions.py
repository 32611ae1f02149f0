"""Records and reads people's decisions about models: blessings, withdrawn blessings and pushes."""

import datetime
import time
from collections.abc import Mapping
from typing import NamedTuple

from tfx.components.evaluator import constants
from tfx.utils import path_utils

from components.blessings import WHO
from components.evaluator.baseline import why_not_loaded
from data.errors import InputError
from data.files.paths import join
from data.files.writing import write_text
from pipeline.config.config import Config
from pipeline.history import store
from pipeline.history.store import History, int_property, open_history, text_property
from pipeline.history.user import user_name
from serving.card.card import ModelCard
from serving.model.push import push_model

_BLESSED, _WITHDREW, _PUSHED_IT = "blessed it", "withdrew its blessing", "pushed it"


class Decision(NamedTuple):
    """A person's decision about a model.

    Attributes:
      kind: Kind of decision: `blessed it`, `withdrew its blessing` or `pushed it`.
      who: User name of the person.
      when: Date and time of the decision, in UTC.
      why: Reason that the person gave; empty for a push.
      pushed_to: Folder of the pushed version; None for a blessing or a withdrawal.
    """

    kind: str
    who: str
    when: str
    why: str
    pushed_to: str | None

    def __str__(self) -> str:
        """Returns the decision as a sentence without the final full stop."""
        reason = f": {self.why}" if self.why else ""
        return f"{self.who} {self.kind} on {self.when}{reason}"

    @property
    def blessed(self) -> bool | None:
        """True for a blessing, False for the withdrawal of a blessing, None for a push."""
        return None if self.pushed_to else self.kind == _BLESSED


def decide(config: Config, model: store.Artifact, *, blessed: bool, why: str) -> None:
    """Records that a person blessed a model or withdrew its blessing; the latest decision counts.

    Args:
      config: The config of the pipeline.
      model: Artifact of the model.
      blessed: True to bless the model, False to withdraw the blessing.
      why: Reason for the decision.

    Raises:
      InputError: The reason is empty, or the pipeline has never run.
    """
    if not why.strip():
        raise InputError("--why: give a short reason; it is kept with the decision.")
    folder = join(config.artifacts_folder, f"decisions/{time.time_ns()}")
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    write_text(join(folder, name), f"{why}\n")
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    properties: dict[str, int | str] = {store.BLESSED: value, store.MODEL_URI: model.uri}
    _record(config, model, store.BLESSING, folder, properties, why)


def push(config: Config, model: store.Artifact, card: ModelCard | None) -> str:
    """Pushes a model as a new version, which TF Serving then loads.

    Args:
      config: The config of the pipeline.
      model: Artifact of the model.
      card: Card of the model; None for a run whose report has none.

    Returns:
      Path of the new version's folder.

    Raises:
      InputError: The model's files are missing or cannot be loaded.
    """
    source = path_utils.serving_model_path(model.uri)
    if problem := why_not_loaded(source):
        raise InputError(
            f"{source}: cannot be pushed: {problem}. Push the model of a different run."
        )
    version = push_model(source, config.serving_folder, card)
    properties: dict[str, int | str] = {store.PUSHED: 1, store.DESTINATION: version}
    _record(config, model, store.PUSHED_MODEL, version, properties, "")
    return version


def decisions(history: History) -> Mapping[int, list[Decision]]:
    """Reads all decisions that people have made about models.

    Args:
      history: The pipeline's records in ML Metadata.

    Returns:
      The decisions about each model, oldest first, by the model's artifact ID.
    """
    by_model: dict[int, list[Decision]] = {}
    for kind in (store.BLESSING, store.PUSHED_MODEL):
        for artifact in history.of_type(kind):
            who, when, why = (text_property(artifact, key) for key in (WHO, store.WHEN, store.WHY))
            model = int_property(artifact, store.MODEL_ID)
            if who is None or when is None or why is None or model is None:
                continue  # the artifact is the output of a component, not a person's decision
            pushed_to = text_property(artifact, store.DESTINATION)
            blessed = int_property(artifact, store.BLESSED) == constants.BLESSED_VALUE
            verb = _PUSHED_IT if pushed_to else _BLESSED if blessed else _WITHDREW
            by_model.setdefault(model, []).append(Decision(verb, who, when, why, pushed_to))
    return {model: sorted(made, key=lambda d: d.when) for model, made in by_model.items()}


def _record(
    config: Config,
    model: store.Artifact,
    kind: str,
    uri: str,
    properties: Mapping[str, int | str],
    why: str,
) -> None:
    history = open_history(config, for_writing=True)
    if history is None:
        raise InputError(
            f"{config.home}: the pipeline has not run here yet. Run it first: unetfx run"
        )
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "seconds")
    author = {WHO: user_name(), store.WHEN: now, store.WHY: why.strip()}
    everything = {store.MODEL_ID: model.id, **properties, **author}
    history.record_decision(config.name, model, kind, uri, everything)
