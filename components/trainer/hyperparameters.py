"""Converts the hyperparameters of a search to settings of the Trainer and to text."""

import json
from collections.abc import Mapping
from typing import Any

from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig

_MODEL_KEYS = ("width", "dropout")


def loss_as_text(terms: Mapping[str, float]) -> str:
    """Converts a loss to JSON, since a hyperparameter of KerasTuner cannot be a mapping.

    Args:
      terms: Weight of each loss term, by name, such as `{"cross_entropy": 1, "dice": 0.5}`.

    Returns:
      The mapping as JSON.
    """
    return json.dumps(terms)


def override(settings: TrainerSettings, values: Mapping[str, Any]) -> TrainerSettings:
    """Replaces settings of the Trainer with the hyperparameters of a trial.

    Args:
      settings: Settings of the Trainer from the config.
      values: Any of `learning_rate`, `width` and `dropout` as numbers, and `loss` as JSON from
        `loss_as_text`.

    Returns:
      A copy of the settings with the hyperparameters.
    """
    model = {name: value for name, value in values.items() if name in _MODEL_KEYS}
    training = {name: value for name, value in values.items() if name not in _MODEL_KEYS}
    if "loss" in training:
        training["loss"] = json.loads(training["loss"])
    return settings.model_copy(
        update={
            "model": ModelConfig.model_validate(settings.model.model_dump() | model),
            "training": TrainingConfig.model_validate(settings.training.model_dump() | training),
        }
    )


def hyperparameter_texts(values: Mapping[str, Any]) -> list[str]:
    """Formats hyperparameters for people.

    Args:
      values: Value of each hyperparameter, by name; see `override`.

    Returns:
      Name and value of each hyperparameter: `learning_rate 0.00032`, `loss focal + 0.5 dice`.
    """
    return [f"{name} {value_text(name, value)}" for name, value in values.items()]


def value_text(name: str, value: Any) -> str:
    """Formats the value of a hyperparameter for people.

    Args:
      name: Name of the hyperparameter, such as `learning_rate`.
      value: Value of the hyperparameter: a number, or for `loss` JSON from `loss_as_text`.

    Returns:
      Text such as `0.00032` or `cross_entropy + 0.5 dice`.
    """
    if name != "loss":
        return f"{value:.3g}"
    terms = json.loads(value).items()
    return " + ".join(term if weight == 1 else f"{weight:g} {term}" for term, weight in terms)
