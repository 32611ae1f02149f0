"""Which model a new one is compared with."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.utils import path_utils

from serving.model import model_classes

CANDIDATE = "candidate"
MODEL = "model"
MODEL_BLESSING = "model_blessing"


class LatestOtherBlessedModel(tfx.dsl.experimental.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    TFX's LatestBlessedModelStrategy would, in a second run on unchanged data, compare the model
    with itself: a new input, so the cache would not answer, and the same model would be evaluated
    and pushed again. A model of other classes cannot be compared, nor one whose files are gone.
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
          The same keys: `candidate` as given, `model` and `model_blessing` with one artifact each,
          or none if no such model was ever blessed.
        """
        candidates = {model.id: classes_of(model) for model in input_dict[CANDIDATE]}
        for model, blessing in blessed_models(input_dict[MODEL], input_dict[MODEL_BLESSING]):
            classes = classes_of(model)
            if model.id not in candidates and classes and classes in candidates.values():
                return input_dict | {MODEL: [model], MODEL_BLESSING: [blessing]}
        return input_dict | {MODEL: [], MODEL_BLESSING: []}


def blessed_models(
    models: Iterable[types.Artifact], blessings: Iterable[types.Artifact]
) -> list[tuple[types.Artifact, types.Artifact]]:
    """Finds the models that were blessed.

    Args:
      models: To choose from.
      blessings: Verdicts of the Evaluator, blessed or not.

    Returns:
      Each blessed model and its blessing, newest model first.
    """
    by_model = {
        blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
        for blessing in blessings
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
        == constants.BLESSED_VALUE
    }
    newest_first = sorted(models, key=lambda model: model.id, reverse=True)
    return [(model, by_model[model.id]) for model in newest_first if model.id in by_model]


def classes_of(model: types.Artifact) -> list[str] | None:
    """Returns the names of a model's classes, by class id, or None if its files are gone."""
    try:
        return model_classes(path_utils.serving_model_path(model.uri))
    except tf.errors.NotFoundError:
        return None
