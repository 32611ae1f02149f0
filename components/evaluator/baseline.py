"""Chooses the baseline, that is, the blessed model with which the candidate is compared."""

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
from data.files.finding import is_folder
from serving.model.pixel_counts import BOUNDARY, CALIBRATION, CONFUSION
from serving.model.tf_errors import tf_error_text

CANDIDATE = "candidate"
"""Input key of the resolver for the model to be evaluated."""


class OtherBlessedModels(tfx.dsl.experimental.ResolverStrategy):
    """Finds up to ten blessed models other than the candidate, newest first.

    TFX's LatestBlessedModelStrategy does not exclude the candidate. In a second run on unchanged
    data, a blessed candidate would therefore become its own baseline. This would change the inputs
    of the Evaluator, so the model would be evaluated and pushed again instead of being taken from
    the cache. TFX's strategy also returns only one model, so there is no other model to use if its
    files are broken.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Chooses the blessed models with which the candidate can be compared.

        Args:
          store: The ML Metadata store, which is not used.
          input_dict: Maps input keys to lists of artifacts:
            - candidate: The model to be evaluated.
            - model: All models of the pipeline.
            - model_blessing: All blessings of the pipeline.

        Returns:
          A copy of `input_dict` in which `model` holds at most ten blessed models, newest first,
          and `model_blessing` holds their blessings in the same order.
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
    """The chosen baseline, and the reasons why other blessed models were rejected.

    Attributes:
      model: The baseline; None if no blessed model can be used.
      remarks: One line for each rejected model, with the reason for rejecting it. If models were
        rejected and there is no baseline, a last line says that only the gate's floors were
        checked.
    """

    model: types.Artifact | None
    remarks: list[str]


def choose_baseline(
    models: Sequence[types.Artifact],
    classes: Sequence[str],
    on_broken: Literal["older", "floors", "fail"],
) -> Choice:
    """Chooses as the baseline the newest usable model that has the candidate's classes.

    Args:
      models: Blessed models, in any order, because ML Metadata does not preserve the order in which
        the resolver returned them.
      classes: Names of the candidate's classes, by class id. Models with different classes are
        skipped.
      on_broken: What to do if a model cannot be used because its files are missing or broken, or
        because it does not return all pixel counts. `older` tries the next older model, `floors`
        uses no baseline, so that only the gate's floors are checked, and `fail` raises an error.

    Returns:
      The baseline, with remarks about the rejected models.

    Raises:
      InputError: The files of a model are missing or broken, or the model does not return all
        pixel counts, and `on_broken` is `fail`.
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
    """Returns the reason why a SavedModel cannot be loaded, or None if it can be loaded.

    Args:
      path: Folder of the SavedModel.
    """
    outputs = _load(path)
    return outputs if isinstance(outputs, str) else None


def _load(path: str) -> Mapping[str, Any] | str:
    """Returns the outputs of a model's `evaluation` signature, or why the model does not load."""
    if not is_folder(path):
        return "its files are gone"
    try:
        outputs: Mapping[str, Any] = (
            tf.saved_model.load(path).signatures["evaluation"].structured_outputs
        )
    except Exception as error:  # TensorFlow may raise any exception for broken files
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
