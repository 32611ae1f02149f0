"""Makes the model card of a run from the output artifacts of its steps."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from tfx.types import artifact

from components.blessings import saved_model_path
from components.card.versions import software_versions
from components.card.weak_spots import weak_spots
from components.evaluator.gate_text import rule_text
from components.evaluator.intervals import Interval, Intervals, read_intervals
from components.evaluator.results import Scores, read_evaluation
from components.evaluator.slice_names import OVERALL
from components.evaluator.verdict import Verdict, read_verdict
from components.evaluator.weak_slices import compare_slices
from components.example_gen.artifact import read_summary
from components.metric_names import IOU, MEAN_IOU, of_class
from components.serving_check import verdict as serving_check
from components.trainer.registry import licence_of
from data.files.finding import list_files
from data.files.paths import join
from data.files.state import file_state
from serving.card.card import (
    MOST_SLICES,
    CardData,
    CardNetwork,
    CardSlice,
    CardSpeed,
    CardSplit,
    CardVerdict,
    Measured,
    ModelCard,
)
from serving.card.config import CardConfig
from serving.model.description import count_parameters, model_description

_MEBIBYTE = 2**20


class CardInputs(NamedTuple):
    """The artifacts that a card describes."""

    examples: artifact.Artifact
    model: artifact.Artifact
    evaluation: artifact.Artifact
    blessing: artifact.Artifact
    serving_check: artifact.Artifact


def make_card(inputs: CardInputs, name: str, texts: CardConfig) -> ModelCard:
    """Makes the model card of a run. Equal inputs give an equal card.

    Args:
      inputs: Artifacts of the run.
      name: Name of the model.
      texts: The `card` section of the config.
    """
    path = saved_model_path(inputs.model)
    description = model_description(path)
    classes: list[str] = description["classes"]
    scores = read_evaluation(inputs.evaluation.uri).candidate
    intervals = read_intervals(inputs.evaluation.uri)
    metrics = _measured(scores[OVERALL].metrics, intervals.metrics)
    parts = {name: part for name, part in scores.items() if name != OVERALL}
    compared = compare_slices(
        metrics[MEAN_IOU].value, scores[OVERALL].true_pixels, parts, intervals
    )
    speed = serving_check.read_verdict(inputs.serving_check.uri)
    return ModelCard(
        name=name,
        trained=_trained(inputs.model),
        texts=texts,
        classes=classes,
        data=_data(inputs.examples),
        images=scores[OVERALL].images,
        groups=intervals.groups,
        metrics=metrics,
        slices=list(_slices(parts, intervals, classes)),
        weak_spots=weak_spots(metrics, compared.weak, classes),
        verdict=_verdict(read_verdict(inputs.blessing.uri)),
        temperature=description.get("temperature"),
        network=_network(path, description),
        speed=CardSpeed.model_validate(speed.model_dump(include=set(CardSpeed.model_fields))),
        versions=software_versions(),
    )


def _measured(
    metrics: Mapping[str, float | None], intervals: Mapping[str, Interval]
) -> dict[str, Measured]:
    return {
        name: Measured(value=value, interval=intervals.get(name)) for name, value in metrics.items()
    }


def _slices(
    parts: Mapping[str, Scores], intervals: Intervals, classes: Sequence[str]
) -> Iterator[CardSlice]:
    names = [MEAN_IOU, *(of_class(IOU, name) for name in classes)]
    for name in sorted(parts, key=lambda name: (_or_infinite(parts[name]), name))[:MOST_SLICES]:
        metrics = {metric: parts[name].metrics[metric] for metric in names}
        measured = _measured(metrics, intervals.slices.get(name, {}))
        yield CardSlice(name=name, images=parts[name].images, metrics=measured)


def _or_infinite(scores: Scores) -> float:
    value = scores.metrics[MEAN_IOU]
    return math.inf if value is None else value


def _trained(model: artifact.Artifact) -> str | None:
    milliseconds = model.mlmd_artifact.create_time_since_epoch
    if not milliseconds:  # Kubeflow does not pass the time to the steps
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _data(examples: artifact.Artifact) -> CardData:
    summary = read_summary(examples)
    return CardData(
        spans=[] if summary.spans == [0] else summary.spans,
        splits=[
            CardSplit(name=part.name, images=part.pairs, groups=part.groups, shares=part.shares)
            for part in summary.splits
        ],
        fingerprint=examples.get_string_custom_property("input_fingerprint"),
    )


def _verdict(verdict: Verdict) -> CardVerdict:
    return CardVerdict(
        blessed=verdict.blessed,
        baseline=verdict.baseline,
        rules=[*map(rule_text, verdict.rules), *verdict.without_interval()],
        remarks=verdict.remarks,
    )


def _network(path: str, description: Mapping[str, Any]) -> CardNetwork:
    view, settings = description["view"], description["config"]
    flops = description.get("flops")
    model = settings["model"] if settings else {}
    weights = model.get("weights", "")
    return CardNetwork(
        architecture=architecture(description),
        view=f"{view['kind']} to {view['height']}×{view['width']} pixels",
        precision=settings["training"]["precision"] if settings else "",
        weights=weights,
        licence=licence_of(weights) if weights else "",
        parameters=count_parameters(path),
        mebibytes=sum(file_state(join(path, file)).size for file in list_files(path)) / _MEBIBYTE,
        gflops=None if flops is None else flops / 1e9,
    )


def architecture(description: Mapping[str, Any]) -> str:
    """Returns encoder and decoder of a model, with the width of the decoder; empty if unknown.

    Args:
      description: Description of the SavedModel, from `model_description`.
    """
    settings = description["config"]
    if settings is None:
        return ""
    model = settings["model"]
    return f"{model['encoder']}, decoder {model['decoder']} of width {model['width']:g}"
