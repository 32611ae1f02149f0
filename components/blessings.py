"""Which models are blessed, by the Evaluator or by a person."""

import os
from collections.abc import Iterable, Iterator

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.utils import path_utils

from serving.model.description import model_classes
from serving.model.versions import versions

MODEL = "model"
MODEL_BLESSING = "model_blessing"
WHO = "who"
"""Property of a person's blessing, with the person's name; the Evaluator's have none."""
MOST_MODELS = 10  # models that are passed by before there is none to compare with


def blessed_models(
    models: Iterable[types.Artifact], blessings: Iterable[types.Artifact]
) -> list[tuple[types.Artifact, types.Artifact]]:
    """Finds the models that are blessed.

    Args:
      models: To choose from.
      blessings: Verdicts, the Evaluator's and people's. A model that was blessed once stays blessed
        under a stricter gate, until a person withdraws that; a person's last word counts.

    Returns:
      Each blessed model and its blessing, newest model first.
    """
    by_model: dict[int, types.Artifact] = {}
    for blessing in sorted(blessings, key=lambda blessing: (_by_a_person(blessing), blessing.id)):
        model_id = blessing.get_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
        )
        blessed = (
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            == constants.BLESSED_VALUE
        )
        if blessed:
            by_model[model_id] = blessing
        elif _by_a_person(blessing):
            by_model.pop(model_id, None)
    newest_first = sorted(models, key=lambda model: model.id, reverse=True)
    return [(model, by_model[model.id]) for model in newest_first if model.id in by_model]


def pushed_models(
    serving_folder: str, but: types.Artifact | None = None
) -> Iterator[types.Artifact]:
    """Lists the models that were pushed, as artifacts.

    On a cluster that is the record of blessings: Kubeflow's steps cannot ask ML Metadata, and its
    compiler knows no resolver of ours.

    Args:
      serving_folder: With one sub-folder, named by a number, for each version.
      but: A model that is not to be listed, should it have been pushed before.

    Yields:
      Ten at most, newest first; the number is the id.
    """
    own = _fingerprint(saved_model_path(but)) if but else None
    for version in versions(serving_folder)[:MOST_MODELS]:
        model = tfx.types.standard_artifacts.Model()
        model.uri = os.path.join(serving_folder, version)
        model.id = int(version)
        if own is None or _fingerprint(model.uri) != own:
            yield model


def saved_model_path(model: types.Artifact) -> str:
    """Returns where a model's SavedModel lies.

    Args:
      model: What a Trainer made, which holds it in a folder, or a pushed version, which is one.
    """
    if tf.io.gfile.exists(os.path.join(model.uri, "saved_model.pb")):
        return model.uri
    return path_utils.serving_model_path(model.uri)


def _fingerprint(path: str) -> bytes | None:
    """What TensorFlow writes for each export, with a random number in it; None if it is gone."""
    try:
        with tf.io.gfile.GFile(os.path.join(path, "fingerprint.pb"), "rb") as file:
            content: bytes = file.read()
    except tf.errors.NotFoundError:
        return None
    return content


def _by_a_person(blessing: types.Artifact) -> bool:
    return bool(blessing.get_string_custom_property(WHO))


def short_name(uri: str) -> str:
    """Returns the end of a model's path, as `Trainer/model/5`: enough for a person to find it.

    Args:
      uri: The artifact's.
    """
    return "/".join(uri.rstrip("/").split("/")[-3:])


def classes_of(model: types.Artifact) -> list[str] | None:
    """Returns the names of a model's classes, by class id, or None if its files are gone."""
    try:
        return model_classes(saved_model_path(model))
    except tf.errors.NotFoundError:
        return None
