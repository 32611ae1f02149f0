"""Finds blessed models, that is, models approved by the Evaluator or by a person."""

import os
from collections.abc import Iterable, Iterator

from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.utils import path_utils

from data.errors import MissingFileError
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_bytes
from serving.model.description import model_classes
from serving.model.versions import MODEL_FILE, versions

MODEL = "model"
MODEL_BLESSING = "model_blessing"
"""Input keys of the resolvers, for all models and all blessings in the pipeline's ML Metadata."""
WHO = "who"
"""Property of a blessing artifact: name of the user who gave or withdrew the blessing."""
# How many blessed models to try, newest first, until the files of one are complete.
MAX_MODELS = 10


def blessed_models(
    models: Iterable[types.Artifact], blessings: Iterable[types.Artifact]
) -> list[tuple[types.Artifact, types.Artifact]]:
    """Finds the blessed models among the given models.

    Once the Evaluator has blessed a model, the model stays blessed, even if a later evaluation with
    a stricter gate rejects it. A person's latest decision about a model overrides the Evaluator's
    verdict.

    Args:
      models: Models to choose from.
      blessings: Blessing artifacts from the Evaluator and from people.

    Returns:
      Pairs of a blessed model and its blessing, newest model first.
    """
    by_model: dict[int, types.Artifact] = {}
    # People's decisions are sorted last, so that they override the Evaluator's blessings.
    for blessing in sorted(blessings, key=lambda blessing: (_is_by_person(blessing), blessing.id)):
        model_id = blessing.get_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
        )
        blessed = (
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            == constants.BLESSED_VALUE
        )
        if blessed:
            by_model[model_id] = blessing
        elif _is_by_person(blessing):
            by_model.pop(model_id, None)
    newest_first = sorted(models, key=lambda model: model.id, reverse=True)
    return [(model, by_model[model.id]) for model in newest_first if model.id in by_model]


def pushed_models(
    serving_folder: str, exclude: types.Artifact | None = None
) -> Iterator[types.Artifact]:
    """Yields the newest pushed models as artifacts.

    On Kubeflow, all pushed models count as blessed, because steps there cannot query ML Metadata
    and TFX's compiler for Kubeflow does not support custom resolvers.

    Args:
      serving_folder: Push folder, which has one numbered sub-folder for each version.
      exclude: Model to leave out even if it has been pushed; None to leave out no model.

    Yields:
      At most ten model artifacts, newest version first. The id of an artifact is the version
      number.
    """
    excluded = _fingerprint(saved_model_path(exclude)) if exclude else None
    for version in versions(serving_folder)[:MAX_MODELS]:
        model = tfx.types.standard_artifacts.Model()
        model.uri = os.path.join(serving_folder, version)
        model.id = int(version)
        if excluded is None or _fingerprint(model.uri) != excluded:
            yield model


def saved_model_path(model: types.Artifact) -> str:
    """Returns the SavedModel folder of a model artifact.

    Args:
      model: An artifact of the Trainer, which has the SavedModel in a sub-folder, or a pushed
        version, whose folder is the SavedModel.
    """
    if is_file(join(model.uri, MODEL_FILE)):
        return model.uri
    return path_utils.serving_model_path(model.uri)


def _fingerprint(path: str) -> bytes | None:
    """Returns the content of a SavedModel's fingerprint.pb, or None if the file is missing."""
    try:
        return read_bytes(join(path, "fingerprint.pb"))
    except MissingFileError:
        return None


def _is_by_person(blessing: types.Artifact) -> bool:
    return bool(blessing.get_string_custom_property(WHO))


def short_name(uri: str) -> str:
    """Returns a short name for a model: the last three parts of its URI (`Trainer/model/5`).

    Args:
      uri: URI of the model's artifact.
    """
    return "/".join(uri.rstrip("/").split("/")[-3:])


def classes_of(model: types.Artifact) -> list[str] | None:
    """Returns a model's class names, by class id, or None if the model's files are missing."""
    try:
        return model_classes(saved_model_path(model))
    except MissingFileError:
        return None
