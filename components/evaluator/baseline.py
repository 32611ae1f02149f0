"""Chooses the baseline: the blessed model with which the candidate is compared."""

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
"""Input key of the resolver: the model to be evaluated."""


class OtherBlessedModels(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the blessed models except the candidate, newest first.

    TFX's LatestBlessedModelStrategy does not exclude the candidate: in a second run on unchanged
    data, a blessed candidate would become its own baseline. This new input would miss the cache, so
    the model would be evaluated and pushed again. TFX's strategy also returns only one model, whose
    files may be broken.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses the blessed models with which the candidate may be compared.

        Args:
          store: The ML Metadata store; not used.
          input_dict: Input dict from key to a list of artifacts.
            - candidate: The model to be evaluated.
            - model: All models of the pipeline.
            - model_blessing: All blessings of the pipeline.

        Returns:
          A dict with the keys of `input_dict`: `candidate` unchanged; `model` with at most ten
          blessed models, newest first; `model_blessing` with their blessings in the same order.
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
    """The chosen baseline, and why newer blessed models were rejected.

    Attributes:
      model: The baseline; None if no blessed model can be used.
      remarks: Why each rejected blessed model cannot be used, and whether only the floors decide
        about the candidate; one line each.
    """

    model: types.Artifact | None
    remarks: list[str]


def choose_baseline(
    models: Sequence[types.Artifact],
    classes: Sequence[str],
    on_broken: Literal["older", "floors", "fail"],
) -> Choice:
    """Chooses as baseline the newest model that loads and has the candidate's classes.

    Args:
      models: Blessed models in any order: ML Metadata does not keep the order of a resolver.
      classes: The candidate's classes, by class id. Models with different classes are skipped.
      on_broken: What to do when the files of a model are missing or broken: `older` tries the next
        older model, `floors` uses no baseline, so that only the floors are checked, and `fail`
        raises an error.

    Returns:
      The baseline, and remarks about the rejected models.

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
    """Returns why a SavedModel does not load; None if it loads.

    Args:
      path: Folder of a SavedModel.
    """
    outputs = _load(path)
    return outputs if isinstance(outputs, str) else None


def _load(path: str) -> Mapping[str, Any] | str:
    """Loads a model; returns the outputs of its signature `evaluation`, or why it does not load."""
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
    """Returns why a model cannot be the baseline; None if it loads and returns all pixel counts."""
    outputs = _load(path)
    if isinstance(outputs, str):
        return outputs
    if not {CONFUSION, BOUNDARY, CALIBRATION} <= set(outputs):
        return "an older version of unetfx exported it; it does not return all pixel counts"
    return None
