"""Converts the hyperparameters of a search to Trainer settings and to text."""

import json
from collections.abc import Mapping
from typing import Any

from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig

_MODEL_KEYS = ("width", "dropout")


def loss_as_text(terms: Mapping[str, float]) -> str:
    """Converts a loss to JSON, because a KerasTuner hyperparameter cannot be a mapping.

    Args:
      terms: Weight of each loss term, by name, such as `{"cross_entropy": 1, "dice": 0.5}`.

    Returns:
      The mapping as JSON.
    """
    return json.dumps(terms)


def override(settings: TrainerSettings, values: Mapping[str, Any]) -> TrainerSettings:
    """Replaces Trainer settings with the hyperparameters of a trial.

    Args:
      settings: Trainer settings from the config.
      values: Value of each hyperparameter, by name: numbers for `learning_rate`, `width` and
        `dropout`, and JSON from `loss_as_text` for `loss`. Settings that `values` does not contain
        remain unchanged.

    Returns:
      A copy of `settings` with the values of the hyperparameters.
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
    """Formats hyperparameters as text for users.

    Args:
      values: Value of each hyperparameter, by name, in the form that `override` takes.

    Returns:
      The name and value of each hyperparameter as one text, such as `learning_rate 0.00032`.
    """
    return [f"{name} {value_text(name, value)}" for name, value in values.items()]


def value_text(name: str, value: Any) -> str:
    """Formats the value of a hyperparameter as text for users.

    Args:
      name: Name of the hyperparameter, such as `learning_rate`.
      value: Value of the hyperparameter: JSON from `loss_as_text` for `loss`, otherwise a number.

    Returns:
      Text such as `0.00032` or `cross_entropy + 0.5 dice`.
    """
    if name != "loss":
        return f"{value:.3g}"
    terms = json.loads(value).items()
    return " + ".join(term if weight == 1 else f"{weight:g} {term}" for term, weight in terms)
