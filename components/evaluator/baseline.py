"""Which model a new one is compared with."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx

from components.blessings import (
    MODEL,
    MODEL_BLESSING,
    MOST_MODELS,
    blessed_models,
    classes_of,
    saved_model_path,
    short_name,
)
from data.errors import InputError
from serving.model.pixel_counts import BOUNDARY, CALIBRATION, CONFUSION
from serving.model.tf_errors import tf_error_text

CANDIDATE = "candidate"


class OtherBlessedModels(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the blessed models but for the candidate itself, newest first.

    TFX's LatestBlessedModelStrategy would, in a second run on unchanged data, compare the model
    with itself: a new input, so the cache would not answer, and the same model would be evaluated
    and pushed again. There are several, since the latest may turn out to be broken.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses among all models of the pipeline.

        Args:
          store: The metadata store; not used.
          input_dict: Input dict from key to a list of artifacts.
            - candidate: The model to be evaluated.
            - model: Every model there is.
            - model_blessing: Every blessing there is.

        Returns:
          The same keys: `candidate` as given, `model` and `model_blessing` with the newest ten, or
          fewer, or none if no such model was ever blessed.
        """
        candidates = {model.id for model in input_dict[CANDIDATE]}
        others = [
            pair
            for pair in blessed_models(input_dict[MODEL], input_dict[MODEL_BLESSING])
            if pair[0].id not in candidates
        ][:MOST_MODELS]
        return input_dict | {
            MODEL: [model for model, _ in others],
            MODEL_BLESSING: [blessing for _, blessing in others],
        }


class Choice(NamedTuple):
    """What a candidate is compared with.

    Attributes:
      model: The model; None if there is none.
      remarks: A line for each newer one that was passed by, and why.
    """

    model: types.Artifact | None
    remarks: list[str]


def choose_baseline(
    models: Sequence[types.Artifact],
    classes: Sequence[str],
    on_broken: Literal["older", "floors", "fail"],
) -> Choice:
    """Finds the newest model that exists, loads, and can be compared with.

    Args:
      models: Blessed models, in any order: ML Metadata keeps none of what a resolver returns.
      classes: The candidate's classes, by class id; models of others are passed by.
      on_broken: What to do about a model that is gone or broken: take an `older` one, or none and
        hold to the `floors`, or `fail`.

    Returns:
      The model, and what a person should know.

    Raises:
      InputError: A model is gone or broken, and `on_broken` is `fail`.
    """
    remarks: list[str] = []
    for model in sorted(models, key=lambda model: model.id, reverse=True):
        name = short_name(model.uri)
        problem = _problem(saved_model_path(model))
        if problem is None:
            found = classes_of(model)
            if found == list(classes):
                return Choice(model, remarks)
            remarks.append(f"not compared with the blessed model {name}: it knows {found}")
            continue
        remarks.append(f"not compared with the blessed model {name}: {problem}")
        if on_broken == "fail":
            raise InputError(
                f"{name}, the last blessed model: {problem}. Bring them back, or withdraw it: "
                f"unetfx unbless {name} --why TEXT. Or set gate.on_broken_baseline."
            )
        if on_broken == "floors":
            break
    if remarks:
        remarks.append("compared with no earlier model: the floors alone decided")
    return Choice(None, remarks)


def why_not_loaded(path: str) -> str | None:
    """Returns what is wrong with a model's files, in words; None if they load.

    Args:
      path: Of a SavedModel.
    """
    loaded = _load(path)
    return loaded if isinstance(loaded, str) else None


def _load(path: str) -> Mapping[str, Any] | str:
    """What the signature `evaluation` returns, or why the model does not load."""
    if not tf.io.gfile.exists(path):
        return "its files are gone"
    try:
        outputs: Mapping[str, Any] = (
            tf.saved_model.load(path).signatures["evaluation"].structured_outputs
        )
    except Exception as error:  # whatever TensorFlow makes of broken files
        return f"its files are broken ({tf_error_text(error)[:100]})"
    return outputs


def _problem(path: str) -> str | None:
    """What is wrong with a model's files; None if they load, and have what is measured."""
    outputs = _load(path)
    if isinstance(outputs, str):
        return outputs
    if not {CONFUSION, BOUNDARY, CALIBRATION} <= set(outputs):
        return "its graph was written by an older version of unetfx, which measured less"
    return None
