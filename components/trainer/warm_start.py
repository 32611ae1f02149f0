"""Warm start: which model a training begins with, and how its weights are taken."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx import v1 as tfx
from tfx.types import standard_component_specs as keys
from tfx.utils import path_constants

from components.blessings import (
    MODEL,
    MODEL_BLESSING,
    blessed_models,
    classes_of,
    pushed_models,
    saved_model_path,
    short_name,
)
from components.trainer.config import PUSHED, SETTINGS, TrainerSettings
from serving.model.description import model_weights

EXAMPLES = "examples"
_Shapes = Mapping[str, tuple[int, ...]]


class ModelToStartFrom(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the last blessed model of the same classes whose files are there.

    But a training that was done before has what it had then: were it given the model that came of
    it, that would be a new input, and each run on unchanged data would train once more.
    """

    def __init__(self, settings: str) -> None:
        """Takes what the Trainer is told.

        Args:
          settings: TrainerSettings as JSON, to the letter.
        """
        self._settings = settings
        self._classes = TrainerSettings.model_validate_json(settings).classes

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses among all models of the pipeline.

        Args:
          store: The metadata store, which knows what each model was trained with.
          input_dict: Input dict from key to a list of artifacts.
            - examples: What the Trainer will read.
            - model: Every model there is.
            - model_blessing: Every blessing there is.

        Returns:
          The same keys: `model` with one artifact, or none; the others as given.
        """
        models = input_dict[MODEL]
        examples = {artifact.id for artifact in input_dict[EXAMPLES]}
        for model in sorted(models, key=lambda model: model.id, reverse=True):
            if classes_of(model) is None:  # the cache has no answer
                continue
            for inputs in self._trainings(store, model):
                if inputs.get(keys.EXAMPLES_KEY) == examples:
                    had = inputs.get(keys.BASE_MODEL_KEY, set())
                    return input_dict | {MODEL: [model for model in models if model.id in had]}
        blessed = blessed_models(models, input_dict[MODEL_BLESSING])
        fitting = [model for model, _ in blessed if classes_of(model) == self._classes]
        return input_dict | {MODEL: fitting[:1]}

    def _trainings(self, store: Any, model: types.Artifact) -> Iterator[dict[str, set[int]]]:
        """The inputs, key to artifact ids, of each training with these settings that made it."""
        made = [
            event.execution_id
            for event in store.get_events_by_artifact_ids([model.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        for execution in store.get_executions_by_id(made):
            told = execution.custom_properties[keys.CUSTOM_CONFIG_KEY].string_value
            if (json.loads(told or "null") or {}).get(SETTINGS) != self._settings:
                continue
            inputs: dict[str, set[int]] = {}
            for event in store.get_events_by_execution_ids([execution.id]):
                if event.type == metadata_store_pb2.Event.INPUT:
                    inputs.setdefault(event.path.steps[0].key, set()).add(event.artifact_id)
            yield inputs


def base_model_of(fn_args: tfx.components.FnArgs, settings: TrainerSettings) -> str | None:
    """Finds the model to begin with, given or pushed.

    Args:
      fn_args: Holds the base model that a resolver chose, or in `custom_config`
        - pushed: The folder of the pushed versions, where no resolver runs. Its newest one of the
          same classes is taken: the cache of the cluster sees to it that a training that was done
          before is not done again with the model that came of it.
      settings: What is trained.

    Returns:
      Path of a SavedModel; None if there is none, or none is asked for.
    """
    folder = (fn_args.custom_config or {}).get(PUSHED)
    if fn_args.base_model or not folder or not settings.training.warm_start:
        return fn_args.base_model
    models = (model for model in pushed_models(folder) if classes_of(model) == settings.classes)
    newest = next(models, None)
    return saved_model_path(newest) if newest else None


def take_weights(network: keras.Model, base_model: str | None) -> str:
    """Gives a network a model's weights, statistics of normalisation included, if they fit.

    Args:
      network: From `build_network`.
      base_model: Path of a SavedModel that this project exported; None if there is none.

    Returns:
      How the network begins, for a person.
    """
    if base_model is None:
        return "Begins cold: no model of these classes was blessed yet."
    name = short_name(base_model.rstrip("/").removesuffix(f"/{path_constants.SERVING_MODEL_DIR}"))
    try:
        found = model_weights(base_model)
    except tf.errors.NotFoundError:
        return f"Begins cold: the files of the last blessed model, {name}, are gone."
    expected = {weight.path: tuple(weight.shape) for weight in network.weights}
    if difference := _difference({path: value.shape for path, value in found.items()}, expected):
        return f"Begins cold: the last blessed model, {name}, is another network: {difference}."
    network.set_weights([found[path] for path in expected])
    return f"Begins with the weights of the last blessed model, {name}."


def _difference(found: _Shapes, expected: _Shapes) -> str | None:
    for path in [*expected, *found]:
        if path not in found:
            return f"it has no {path}"
        if path not in expected:
            return f"it has {path}, and this one has not"
        if found[path] != expected[path]:
            there, here = ("×".join(map(str, shape)) for shape in (found[path], expected[path]))
            return f"{path} is {there} there, and {here} here"
    return None
