"""The `tuner` section of a config file."""

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


# `_Range` stands for Range[Number], because a type alias can have only a TypeVar as a parameter.
_Range = TypeVar("_Range")
Searched = Annotated[
    Annotated[_Range, Tag("range")] | Annotated[list[Number], Field(min_length=1), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "range"),
    BeforeValidator(_is_list_or_range),
]
"""Values among which a hyperparameter is searched: a list or a range."""


class SearchSpace(Strict):
    """The hyperparameters to search; all other settings keep their values from the config.

    A numeric hyperparameter takes its values from a list (`[0.25, 0.5, 1]`) or from a range
    (`{min: 0, max: 0.3}`).

    Attributes:
      learning_rate: List or range of values for `training.learning_rate`; a range is sampled
        logarithmically.
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
        """Whether `width`, and so the shape of the network, is the same in all trials."""
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
    """Settings of the search for hyperparameters; the training uses those of the best trial.

    Each trial is a short training; its score is the mean IoU on `val` after the best epoch.

    Attributes:
      search: The hyperparameters to search, with their values.
      trials: Maximum number of trials.
      epochs: Maximum number of passes over the training split in each trial.
      algorithm: Algorithm that chooses the values of each trial: `random`, or `bayesian`, which
        fits a model to the scores of the earlier trials. `bayesian` starts with three random trials
        for each hyperparameter, so it suits long searches.
    """

    search: SearchSpace
    trials: int = Field(10, ge=1)
    epochs: int = Field(3, ge=1)
    algorithm: Literal["random", "bayesian"] = "random"


class TunerSettings(Strict):
    """Settings of the Tuner.

    Attributes:
      trainer: Settings of the Trainer; each trial replaces some of them with its hyperparameters.
      tuner: Settings of the search (the `tuner` section of the config).
    """

    trainer: TrainerSettings
    tuner: TunerConfig

    @classmethod
    def of(cls, trainer: TrainerSettings, tuner: TunerConfig) -> Self:
        """Derives the settings of the Tuner: each trial is a short training of one phase.

        If the search has several values for `width`, no trial has a warm start: the base model fits
        only one width, and the trials with this width would have an advantage.

        Args:
          trainer: Settings of the Trainer.
          tuner: Settings of the search (the `tuner` section of the config).
        """
        short = {
            "epochs": tuner.epochs,
            "second_phase": None,
            "warm_start": trainer.training.warm_start and tuner.search.has_one_width,
        }
        training = trainer.training.model_copy(update=short)
        return cls(trainer=trainer.model_copy(update={"training": training}), tuner=tuner)
