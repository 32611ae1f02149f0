"""Which model a new one is compared with."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.utils import path_utils

from data.errors import InputError
from serving.counts import BOUNDARY, CALIBRATION, CONFUSION
from serving.model import model_classes
from serving.push import versions
from serving.reasons import reason

CANDIDATE = "candidate"
MODEL = "model"
MODEL_BLESSING = "model_blessing"
WHO = "who"
"""Property of a person's blessing, with the person's name; the Evaluator's have none."""
_MOST = 10  # models that are passed by before there is none to compare with


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
        ][:_MOST]
        return input_dict | {
            MODEL: [model for model, _ in others],
            MODEL_BLESSING: [blessing for _, blessing in others],
        }


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
    for version in versions(serving_folder)[:_MOST]:
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
        return f"its files are broken ({reason(error)[:100]})"
    return outputs


def _problem(path: str) -> str | None:
    """What is wrong with a model's files; None if they load, and have what is measured."""
    outputs = _load(path)
    if isinstance(outputs, str):
        return outputs
    if not {CONFUSION, BOUNDARY, CALIBRATION} <= set(outputs):
        return "its graph was written by an older version of unetfx, which measured less"
    return None
