"""The space that is searched, as KerasTuner sees it."""

import keras_tuner

from components.trainer.hyperparameters import loss_as_text
from components.tuner.config import Range, SearchSpace

_LOGARITHMIC = ("learning_rate",)


def hyperparameters(search: SearchSpace) -> keras_tuner.HyperParameters:
    """Tells KerasTuner what is searched.

    Args:
      search: From the config.

    Returns:
      A hyperparameter for each key that the config has, under that name.
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
