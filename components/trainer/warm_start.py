"""Warm start: chooses a blessed model and copies the weights of the model into the network."""

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
    """Resolves the newest blessed model that has the same classes and existing files.

    If there was a training with the same settings and examples, the resolver returns the base model
    of that training, so that TFX's cache is hit. Otherwise the newly trained model would be a new
    input, and every run on unchanged data would train again.
    """

    def __init__(self, settings: str) -> None:
        """Creates the resolver strategy.

        Args:
          settings: TrainerSettings as JSON, the same text that the Trainer receives.
        """
        self._settings = settings
        self._classes = TrainerSettings.model_validate_json(settings).classes

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses the base model, from whose weights the training starts.

        Args:
          store: The ML Metadata store, which records the inputs of earlier training runs.
          input_dict: Input dict from key to a list of artifacts.
            - examples: The examples that the Trainer will read.
            - model: All models of the pipeline.
            - model_blessing: All blessings of the pipeline.

        Returns:
          A dict with the keys of `input_dict`: `model` with only the base model, or empty if no
          model fits; the other lists unchanged.
        """
        models = input_dict[MODEL]
        examples = {artifact.id for artifact in input_dict[EXAMPLES]}
        for model in sorted(models, key=lambda model: model.id, reverse=True):
            # Without the files of its model, a cached training cannot be reused.
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
        """Finds the Trainer executions with the same settings that output the model.

        Yields:
          The inputs of each execution: input key to artifact ids.
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
    """Returns the base model of a warm start: the resolver's choice or the newest pushed version.

    On Kubeflow, no resolver runs, and the newest pushed version with the same classes is used. The
    cluster's cache then prevents a finished training from being repeated from its own result.

    Args:
      fn_args: The base model that a resolver chose, and `custom_config`, a dict with:
        - pushed: On Kubeflow, folder of the pushed versions.
      settings: Settings of the Trainer.

    Returns:
      Folder of a SavedModel; None if warm start is off or no model fits.
    """
    folder = (fn_args.custom_config or {}).get(PUSHED)
    if fn_args.base_model or not folder or not settings.training.warm_start:
        return fn_args.base_model
    models = (model for model in pushed_models(folder) if classes_of(model) == settings.classes)
    newest = next(models, None)
    return saved_model_path(newest) if newest else None


def take_weights(network: keras.Model, base_model: str | None) -> str:
    """Copies the weights of a SavedModel into a network if all names and shapes are the same.

    The weights include the moving statistics of batch normalisation.

    Args:
      network: The network from `build_network`.
      base_model: Folder of a SavedModel that this project exported; None to copy nothing.

    Returns:
      A sentence for the user: the origin of the weights, or why no weights were copied.
    """
    if base_model is None:
        return "Starts cold: no model with these classes has been blessed yet."
    name = short_name(base_model.rstrip("/").removesuffix(f"/{path_constants.SERVING_MODEL_DIR}"))
    try:
        weights = model_weights(base_model)
    except (MissingFileError, tf.errors.NotFoundError):  # no description, or no weights
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
