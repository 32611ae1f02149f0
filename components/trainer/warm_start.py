"""Warm start: chooses a blessed model and copies its weights into the network."""

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
from data.errors import MissingFileError
from serving.model.description import model_weights

EXAMPLES = "examples"
_Shapes = Mapping[str, tuple[int, ...]]


class ModelToStartFrom(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the last blessed model of the same classes whose files exist.

    A training that was done before resolves to the model that it started from then. With the model
    that it produced as a new input, every run on unchanged data would train again.
    """

    def __init__(self, settings: str) -> None:
        """Creates the strategy.

        Args:
          settings: TrainerSettings as JSON, exactly as the Trainer receives them.
        """
        self._settings = settings
        self._classes = TrainerSettings.model_validate_json(settings).classes

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses among all models of the pipeline.

        Args:
          store: The metadata store, with the inputs of each training.
          input_dict: Input dict from key to a list of artifacts.
            - examples: The examples that the Trainer will read.
            - model: All models.
            - model_blessing: All blessings.

        Returns:
          The same keys: `model` with one artifact or none, the others unchanged.
        """
        models = input_dict[MODEL]
        examples = {artifact.id for artifact in input_dict[EXAMPLES]}
        for model in sorted(models, key=lambda model: model.id, reverse=True):
            # The files of this model were removed, so its cached training cannot be reused.
            if classes_of(model) is None:
                continue
            for inputs in self._trainings(store, model):
                if inputs.get(keys.EXAMPLES_KEY) == examples:
                    base = inputs.get(keys.BASE_MODEL_KEY, set())
                    return input_dict | {MODEL: [model for model in models if model.id in base]}
        blessed = blessed_models(models, input_dict[MODEL_BLESSING])
        fitting = [model for model, _ in blessed if classes_of(model) == self._classes]
        return input_dict | {MODEL: fitting[:1]}

    def _trainings(self, store: Any, model: types.Artifact) -> Iterator[dict[str, set[int]]]:
        """Yields the inputs (key to artifact ids) of each training of the model."""
        trainings = [
            event.execution_id
            for event in store.get_events_by_artifact_ids([model.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        for execution in store.get_executions_by_id(trainings):
            config = execution.custom_properties[keys.CUSTOM_CONFIG_KEY].string_value
            if (json.loads(config or "null") or {}).get(SETTINGS) != self._settings:
                continue
            inputs: dict[str, set[int]] = {}
            for event in store.get_events_by_execution_ids([execution.id]):
                if event.type == metadata_store_pb2.Event.INPUT:
                    inputs.setdefault(event.path.steps[0].key, set()).add(event.artifact_id)
            yield inputs


def base_model_of(fn_args: tfx.components.FnArgs, settings: TrainerSettings) -> str | None:
    """Returns the model to start from: the one that a resolver chose, or the newest pushed one.

    Args:
      fn_args: The base model that a resolver chose, or in `custom_config`
        - pushed: Folder of the pushed versions, where no resolver runs. The newest version of the
          same classes is used; the cluster's cache prevents a finished training from being repeated
          with the model that it produced.
      settings: Settings of the Trainer.

    Returns:
      Folder of a SavedModel; None without a warm start or without such a model.
    """
    folder = (fn_args.custom_config or {}).get(PUSHED)
    if fn_args.base_model or not folder or not settings.training.warm_start:
        return fn_args.base_model
    models = (model for model in pushed_models(folder) if classes_of(model) == settings.classes)
    newest = next(models, None)
    return saved_model_path(newest) if newest else None


def take_weights(network: keras.Model, base_model: str | None) -> str:
    """Copies a model's weights, including the statistics of normalisation, if they fit.

    Args:
      network: The network from `build_network`.
      base_model: Folder of a SavedModel from this project; None if there is no such model.

    Returns:
      A sentence for a person about the weights that the network starts with.
    """
    if base_model is None:
        return "Starts cold: no model with these classes has been blessed yet."
    name = short_name(base_model.rstrip("/").removesuffix(f"/{path_constants.SERVING_MODEL_DIR}"))
    try:
        weights = model_weights(base_model)
    except (MissingFileError, tf.errors.NotFoundError):  # the description, or the weights
        return f"Starts cold: the files of the last blessed model, {name}, are missing."
    expected = {weight.path: tuple(weight.shape) for weight in network.weights}
    shapes = {path: value.shape for path, value in weights.items()}
    if difference := _difference(shapes, expected):
        return (
            f"Starts cold: the last blessed model, {name}, has a different architecture: "
            f"{difference}."
        )
    network.set_weights([weights[path] for path in expected])
    return f"Starts with the weights of the last blessed model, {name}."


def _difference(found: _Shapes, expected: _Shapes) -> str | None:
    for path in [*expected, *found]:
        if path not in found:
            return f"it has no {path}"
        if path not in expected:
            return f"it has {path}, which this network does not have"
        if found[path] != expected[path]:
            its_shape, shape = ("×".join(map(str, s)) for s in (found[path], expected[path]))
            return f"its {path} has the shape {its_shape}, but this network expects {shape}"
    return None
