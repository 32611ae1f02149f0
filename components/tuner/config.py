"""Pydantic models of the `tuner` config section, and the Tuner settings."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from components.trainer.config import Dropout, Loss, TrainerSettings, Width
from data.config import Positive, Strict

Number = TypeVar("Number", bound=float)


class Range(Strict, Generic[Number]):
    """A range of values for a hyperparameter.

    Attributes:
      min: Lowest value.
      max: Highest value.
    """

    min: Number
    max: Number

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min: {self.min:g} is not below max: {self.max:g}")
        return self


def _is_list_or_range(value: object) -> object:
    if not isinstance(value, list | dict | Range):
        raise ValueError(
            f"should be a list of values, or {{min: …, max: …}} for a range, found {value!r}"
        )
    return value


# `_Range` stands for `Range[Number]`, because only a TypeVar can be a parameter of a generic type
# alias.
_Range = TypeVar("_Range")
Searched = Annotated[
    Annotated[_Range, Tag("range")] | Annotated[list[Number], Field(min_length=1), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "range"),
    BeforeValidator(_is_list_or_range),
]
"""Candidate values for a hyperparameter: a list or a range."""


class SearchSpace(Strict):
    """The hyperparameters to tune; all other settings keep their values from the config.

    A numeric hyperparameter takes its values from a list (`[0.25, 0.5, 1]`) or from a range
    (`{min: 0, max: 0.3}`).

    Attributes:
      learning_rate: List or range of values for `training.learning_rate`; values from a range are
        sampled on a logarithmic scale.
      loss: List of values for `training.loss`.
      width: List or range of values for `model.width`.
      dropout: List or range of values for `model.dropout`.
    """

    learning_rate: Searched[Range[Positive], Positive] | None = None
    loss: Annotated[list[Loss], Field(min_length=1)] | None = None
    width: Searched[Range[Width], Width] | None = None
    dropout: Searched[Range[Dropout], Dropout] | None = None

    @property
    def has_one_width(self) -> bool:
        """Whether all trials have the same `width`, and therefore the same architecture."""
        return self.width is None or (
            not isinstance(self.width, Range) and len(set(self.width)) == 1
        )

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        names = list(type(self).model_fields)
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"the search space is empty; give at least one of {', '.join(names)}")
        return self


class TunerConfig(Strict):
    """Settings for the hyperparameter search. The Trainer uses the values of the best trial.

    Each trial is a short training run, and its score is the highest mean IoU on `val` of all its
    epochs.

    Attributes:
      search: The hyperparameters to tune, with their candidate values.
      trials: Maximum number of trials.
      epochs: Maximum number of passes over the training split in each trial.
      algorithm: Algorithm that chooses the values for each trial: `random`, or `bayesian`, which
        fits a model to the scores of earlier trials. `bayesian` starts with three random trials per
        hyperparameter, so it is useful only for long searches.
    """

    search: SearchSpace
    trials: int = Field(10, ge=1)
    epochs: int = Field(3, ge=1)
    algorithm: Literal["random", "bayesian"] = "random"


class TunerSettings(Strict):
    """Settings that the pipeline passes to the Tuner.

    Attributes:
      trainer: Trainer settings; each trial replaces some of them with its hyperparameters.
      tuner: Settings of the search (the `tuner` section of the config).
    """

    trainer: TrainerSettings
    tuner: TunerConfig

    @classmethod
    def of(cls, trainer: TrainerSettings, tuner: TunerConfig) -> Self:
        """Derives Tuner settings in which each trial is a short training run with a single phase.

        If the search includes several values of `width`, the trials do not use a warm start: the
        base model fits only one width, so trials with that width would have an unfair advantage.

        Args:
          trainer: Trainer settings from the config.
          tuner: Settings of the search (the `tuner` section of the config).
        """
        short = {
            "epochs": tuner.epochs,
            "second_phase": None,
            "warm_start": trainer.training.warm_start and tuner.search.has_one_width,
        }
        training = trainer.training.model_copy(update=short)
        return cls(trainer=trainer.model_copy(update={"training": training}), tuner=tuner)
