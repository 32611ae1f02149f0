"""The `tuner:` part of a config file."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from components.trainer.config import Dropout, Loss, TrainerSettings, Width
from data.config import Positive, Strict

Number = TypeVar("Number", bound=float)


class Range(Strict, Generic[Number]):
    """All numbers from one to another.

    Attributes:
      min: The least one.
      max: The greatest one.
    """

    min: Number
    max: Number

    @model_validator(mode="after")
    def _has_an_inside(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min: {self.min:g} is not below max: {self.max:g}")
        return self


def _is_list_or_range(found: object) -> object:
    if not isinstance(found, list | dict | Range):
        raise ValueError(
            f"should be a list of values, or {{min: …, max: …}} for all between, found {found!r}"
        )
    return found


_Range = TypeVar("_Range")  # a Range[Number]: typing puts nothing into a pydantic model's brackets
Searched = Annotated[
    Annotated[_Range, Tag("range")] | Annotated[list[Number], Field(min_length=1), Tag("list")],
    Discriminator(lambda found: "list" if isinstance(found, list) else "range"),
    BeforeValidator(_is_list_or_range),
]
"""Values, or a range of them."""


class SearchSpace(Strict):
    """What is searched; the others stay as the config has them.

    Numbers are a list of values (`[0.25, 0.5, 1]`), or a range of all that lie between
    (`{min: 0, max: 0.3}`).

    Attributes:
      learning_rate: `training.learning_rate`; of a range, each order of magnitude has the same
        chance.
      loss: A list of losses, each as `training.loss` has it.
      width: `model.width`.
      dropout: `model.dropout`.
    """

    learning_rate: Searched[Range[Positive], Positive] | None = None
    loss: Annotated[list[Loss], Field(min_length=1)] | None = None
    width: Searched[Range[Width], Width] | None = None
    dropout: Searched[Range[Dropout], Dropout] | None = None

    @property
    def has_one_width(self) -> bool:
        """Whether the networks of all trials have the same layers."""
        return self.width is None or (
            not isinstance(self.width, Range) and len(set(self.width)) == 1
        )

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        names = list(type(self).model_fields)
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"nothing to search; give one of {', '.join(names)}")
        return self


class TunerConfig(Strict):
    """How hyperparameters are searched before the training, which then has the best ones.

    Each trial is a short training, and its score the mean IoU on `val` after its best epoch.

    Attributes:
      search: What is searched.
      trials: Most combinations that are tried.
      epochs: Most passes over the training split, in each trial.
      algorithm: `random`, or `bayesian`: goes by a model of the scores so far; it needs three
        random trials for each hyperparameter first, so it is for long searches.
    """

    search: SearchSpace
    trials: int = Field(10, ge=1)
    epochs: int = Field(3, ge=1)
    algorithm: Literal["random", "bayesian"] = "random"


class TunerSettings(Strict):
    """What the Tuner is told.

    Attributes:
      trainer: What each trial is told, but for what is searched.
      tuner: What is searched, and how.
    """

    trainer: TrainerSettings
    tuner: TunerConfig

    @classmethod
    def of(cls, trainer: TrainerSettings, tuner: TunerConfig) -> Self:
        """Makes each trial a short training of one phase.

        With several widths, every trial begins cold: a base model has only one of them, which would
        have a start before the others.

        Args:
          trainer: What the Trainer is told.
          tuner: The config.
        """
        short = {
            "epochs": tuner.epochs,
            "second_phase": None,
            "warm_start": trainer.training.warm_start and tuner.search.has_one_width,
        }
        training = trainer.training.model_copy(update=short)
        return cls(trainer=trainer.model_copy(update={"training": training}), tuner=tuner)
