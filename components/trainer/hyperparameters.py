"""Hyperparameters as a search finds them: numbers and text, by name."""

import json
from collections.abc import Mapping
from typing import Any

from components.trainer.config import LossName, ModelConfig, TrainerSettings, TrainingConfig

_OF_MODEL = ("width", "dropout")


def loss_as_text(terms: Mapping[LossName, float]) -> str:
    """Writes a loss down as a hyperparameter's value: KerasTuner knows only numbers and text.

    Args:
      terms: As `TrainingConfig.loss`.

    Returns:
      JSON.
    """
    return json.dumps(terms)


def override(settings: TrainerSettings, values: Mapping[str, Any]) -> TrainerSettings:
    """Puts hyperparameters in the place of what a config says.

    Args:
      settings: From the config.
      values: Some of `learning_rate`, `width` and `dropout`, numbers, and `loss`, as
        `loss_as_text` writes it.

    Returns:
      The settings to train with.
    """
    of_model = {name: value for name, value in values.items() if name in _OF_MODEL}
    of_training = {name: value for name, value in values.items() if name not in _OF_MODEL}
    if "loss" in of_training:
        of_training["loss"] = json.loads(of_training["loss"])
    return settings.model_copy(
        update={
            "model": ModelConfig.model_validate(settings.model.model_dump() | of_model),
            "training": TrainingConfig.model_validate(settings.training.model_dump() | of_training),
        }
    )


def in_words(values: Mapping[str, Any]) -> list[str]:
    """Says hyperparameters to a person.

    Args:
      values: As for `override`.

    Returns:
      Name and value of each: `learning_rate 0.00032`, `loss cross_entropy + 0.5 dice`.
    """
    return [f"{name} {value_in_words(name, value)}" for name, value in values.items()]


def value_in_words(name: str, value: Any) -> str:
    """Says one hyperparameter's value.

    Args:
      name: The hyperparameter's.
      value: As for `override`.

    Returns:
      For instance `0.00032`, or `cross_entropy + 0.5 dice`.
    """
    if name != "loss":
        return f"{value:.3g}"
    terms = json.loads(value).items()
    return " + ".join(term if weight == 1 else f"{weight:g} {term}" for term, weight in terms)
