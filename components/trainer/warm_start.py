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
    """Chooses the newest blessed model that has the same classes and whose files still exist.

    If an earlier training run had the same settings and examples, the resolver chooses the base
    model of that run again, so that TFX reuses the cached result. Otherwise, each newly blessed
    model would be a new input to the Trainer, and every pipeline run would retrain even on
    unchanged data.
    """

    def __init__(self, settings: str) -> None:
        """Creates the resolver strategy.

        Args:
          settings: TrainerSettings as JSON, exactly as the Trainer receives them.
        """
        self._settings = settings
        self._classes = TrainerSettings.model_validate_json(settings).classes

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses the base model, whose weights are the initial weights for training.

        Args:
          store: The ML Metadata store, which records the inputs of earlier training runs.
          input_dict: Lists of artifacts, by input key.
            - examples: The examples that the Trainer will read.
            - model: All models of the pipeline.
            - model_blessing: All blessings of the pipeline.

        Returns:
          A copy of `input_dict` in which the list `model` contains only the base model, or is empty
          if training starts without one.
        """
        models = input_dict[MODEL]
        examples = {artifact.id for artifact in input_dict[EXAMPLES]}
        for model in sorted(models, key=lambda model: model.id, reverse=True):
            # TFX cannot reuse the cached output of a Trainer execution whose files are missing.
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
        """Finds the Trainer executions with the same settings that produced the model.

        Yields:
          For each execution, the artifact ids of its inputs, by input key.
        """
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
    """Returns the base model for a warm start: the resolver's choice or a pushed version.

    On Kubeflow, where no resolver runs, the newest pushed version with the same classes is used.
    This choice is not part of Kubeflow's cache key, so pushing a new model does not cause
    retraining on unchanged data.

    Args:
      fn_args: Arguments from TFX: the base model that the resolver chose, and `custom_config`, a
        dict with:
        - pushed: Folder of the pushed model versions; given only on Kubeflow.
      settings: Trainer settings.

    Returns:
      Folder of the SavedModel; None if `training.warm_start` is false or no model is suitable.
    """
    folder = (fn_args.custom_config or {}).get(PUSHED)
    if fn_args.base_model or not folder or not settings.training.warm_start:
        return fn_args.base_model
    models = (model for model in pushed_models(folder) if classes_of(model) == settings.classes)
    newest = next(models, None)
    return saved_model_path(newest) if newest else None


def take_weights(network: keras.Model, base_model: str | None) -> str:
    """Copies the weights of a SavedModel into a network if all names and shapes match.

    The copied weights include the moving statistics of batch normalisation layers.

    Args:
      network: The network from `build_network`.
      base_model: Folder of a SavedModel that this project exported; with None, nothing is copied.

    Returns:
      A sentence for the user that says where the weights come from or why none were copied.
    """
    if base_model is None:
        return "Starts cold: no model with these classes has been blessed yet."
    name = short_name(base_model.rstrip("/").removesuffix(f"/{path_constants.SERVING_MODEL_DIR}"))
    try:
        weights = model_weights(base_model)
    except (MissingFileError, tf.errors.NotFoundError):  # its files were removed
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


def _difference(actual: _Shapes, expected: _Shapes) -> str | None:
    for path in [*expected, *actual]:
        if path not in actual:
            return f"it has no {path}"
        if path not in expected:
            return f"it has {path}, which this network does not have"
        if actual[path] != expected[path]:
            its_shape, shape = ("×".join(map(str, s)) for s in (actual[path], expected[path]))
            return f"its {path} has the shape {its_shape}, but this network expects {shape}"
    return None
