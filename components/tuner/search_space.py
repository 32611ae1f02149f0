"""Converts the search space in the config to KerasTuner's hyperparameters."""

import keras_tuner

from components.trainer.hyperparameters import loss_as_text
from components.tuner.config import Range, SearchSpace

_LOGARITHMIC = ("learning_rate",)


def hyperparameters(search: SearchSpace) -> keras_tuner.HyperParameters:
    """Converts a search space to KerasTuner's hyperparameters.

    Args:
      search: The search space from the config.

    Returns:
      One KerasTuner hyperparameter for each field of `search` that is not None, with the name of
      the field.
    """
    space = keras_tuner.HyperParameters()
    for name in type(search).model_fields:
        searched = getattr(search, name)
        if isinstance(searched, Range):
            sampling = "log" if name in _LOGARITHMIC else "linear"
            space.Float(name, searched.min, searched.max, sampling=sampling)
        elif searched is not None:
            values = map(loss_as_text, searched) if name == "loss" else searched
            space.Choice(name, list(dict.fromkeys(values)))
    return space
