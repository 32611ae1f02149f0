"""Which model a new one is compared with."""

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
        candidates = {model.id: _classes(model) for model in input_dict[CANDIDATE]}
        blessings = {
            blessing.get_int_custom_property(
                constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
            ): blessing
            for blessing in input_dict[MODEL_BLESSING]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            == constants.BLESSED_VALUE
        }
        for model in sorted(input_dict[MODEL], key=lambda model: model.id, reverse=True):
            other = model.id in blessings and model.id not in candidates
            if other and _classes(model) in candidates.values():
                return input_dict | {MODEL: [model], MODEL_BLESSING: [blessings[model.id]]}
        return input_dict | {MODEL: [], MODEL_BLESSING: []}


def _classes(model: types.Artifact) -> list[str] | str:
    """The model's classes, or, of one whose files are gone, a value that equals nobody's."""
    try:
        return model_classes(path_utils.serving_model_path(model.uri))
    except tf.errors.NotFoundError:
        return f"gone: {model.uri}"
