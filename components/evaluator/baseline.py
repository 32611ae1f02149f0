"""Chooses the baseline: the blessed model that a candidate is compared with."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx

from components.blessings import (
    MAX_MODELS,
    MODEL,
    MODEL_BLESSING,
    blessed_models,
    classes_of,
    saved_model_path,
    short_name,
)
from data.errors import InputError, one_line
from data.files import is_folder
from serving.model.pixel_counts import BOUNDARY, CALIBRATION, CONFUSION
from serving.model.tf_errors import tf_error_text

CANDIDATE = "candidate"
"""Input key of the resolver for the model to be evaluated."""


class OtherBlessedModels(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the blessed models except the candidate, newest first.

    TFX's LatestBlessedModelStrategy would compare a model with itself in a second run on unchanged
    data. That is a new input, which misses the cache, so the same model would be evaluated and
    pushed again. It also gives one model only, which may be broken.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses among all models of the pipeline.

        Args:
          store: The metadata store; not used.
          input_dict: Input dict from key to a list of artifacts.
            - candidate: The model to be evaluated.
            - model: All models.
            - model_blessing: All blessings.

        Returns:
          The same keys: `candidate` unchanged, `model` and `model_blessing` with the ten newest
          blessed models and their blessings, or as many as exist.
        """
        candidates = {model.id for model in input_dict[CANDIDATE]}
        others = [
            pair
            for pair in blessed_models(input_dict[MODEL], input_dict[MODEL_BLESSING])
            if pair[0].id not in candidates
        ][:MAX_MODELS]
        return input_dict | {
            MODEL: [model for model, _ in others],
            MODEL_BLESSING: [blessing for _, blessing in others],
        }


class Choice(NamedTuple):
    """The baseline, and how it was chosen.

    Attributes:
      model: The baseline; None if no blessed model can be used.
      remarks: For each newer model, a line that says why it cannot be used.
    """

    model: types.Artifact | None
    remarks: list[str]


def choose_baseline(
    models: Sequence[types.Artifact],
    classes: Sequence[str],
    on_broken: Literal["older", "floors", "fail"],
) -> Choice:
    """Finds the newest model that loads and has the candidate's classes.

    Args:
      models: Blessed models in any order: ML Metadata does not keep the order of a resolver.
      classes: The candidate's classes, by class id. Models with other classes are skipped.
      on_broken: What to do when a model's files are missing or broken: use an `older` model, use no
        baseline and check the `floors` only, or `fail`.

    Returns:
      The model, and remarks for a person.

    Raises:
      InputError: The files of a model are missing or broken, and `on_broken` is `fail`.
    """
    remarks: list[str] = []
    for model in sorted(models, key=lambda model: model.id, reverse=True):
        name = short_name(model.uri)
        problem = _problem(saved_model_path(model))
        if problem is None:
            known = classes_of(model)
            if known == list(classes):
                return Choice(model, remarks)
            remarks.append(
                f"not compared with the blessed model {name}: it has different classes, {known}"
            )
            continue
        remarks.append(f"not compared with the blessed model {name}: {problem}")
        if on_broken == "fail":
            raise InputError(
                f"{name}, the last blessed model: {problem}. Restore the files, withdraw the "
                f"blessing (unetfx unbless {name} --why TEXT), or set gate.on_broken_baseline."
            )
        if on_broken == "floors":
            break
    if remarks:
        remarks.append("compared with no earlier model: the floors alone decided")
    return Choice(None, remarks)


def why_not_loaded(path: str) -> str | None:
    """Returns why a model's files do not load; None if they do.

    Args:
      path: Folder of a SavedModel.
    """
    outputs = _load(path)
    return outputs if isinstance(outputs, str) else None


def _load(path: str) -> Mapping[str, Any] | str:
    """Outputs of the signature `evaluation`, or why the model does not load."""
    if not is_folder(path):
        return "its files are gone"
    try:
        outputs: Mapping[str, Any] = (
            tf.saved_model.load(path).signatures["evaluation"].structured_outputs
        )
    except Exception as error:  # for broken files, TensorFlow may raise any exception
        return f"its files are broken ({one_line(tf_error_text(error), 100)})"
    return outputs


def _problem(path: str) -> str | None:
    """Why a model cannot be the baseline; None if it loads and returns all pixel counts."""
    outputs = _load(path)
    if isinstance(outputs, str):
        return outputs
    if not {CONFUSION, BOUNDARY, CALIBRATION} <= set(outputs):
        return "an older version of unetfx exported it; it does not return all pixel counts"
    return None
