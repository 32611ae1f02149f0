"""Writes and reads the pixel counts of each evaluated image.

An image shows few of many classes, so its files hold only the counts that are not 0: with 150
classes, all of them would be 22,500 numbers for each image.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma

from components.evaluator.metrics import Counts
from components.evaluator.results import BASELINE, CANDIDATE, slice_name
from data.examples import features
from data.files.finding import find_files
from data.files.reading import read_lines
from serving.model.pixel_counts import BOUNDARY, CALIBRATION, CALIBRATION_BINS, CONFUSION

_FILE = "images"  # Beam adds the shard number and the suffix: images-00000-of-00001.jsonl


class EvaluatedImage(NamedTuple):
    """The pixel counts of one image.

    Attributes:
      key: Key of the pair.
      group: Name of the pair's group.
      source: Name of the data set that the pair belongs to.
      slices: Names of the slices that contain the image, except the whole split.
      candidate: Counts of the candidate. Evaluations of older versions of unetfx have only the
        confusion matrix; their other counts are 0.
      baseline: Counts of the baseline; None if there is no baseline.
    """

    key: str
    group: str
    source: str
    slices: list[str]
    candidate: Counts
    baseline: Counts | None


def write_images(folder: str) -> tfma.extractors.Extractor:
    """Returns a TFMA extractor that writes the pixel counts of each image to JSON Lines files.

    The extractor passes on TFMA's extracts unchanged.

    Args:
      folder: Folder of the `evaluation` artifact, to which the files images-*.jsonl are written.
    """
    return tfma.extractors.Extractor("WriteImages", _Write(os.path.join(folder, _FILE)))


class _Write(beam.PTransform):
    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        lines = extracts | "AsLine" >> beam.Map(_as_line)
        _ = lines | "WriteLines" >> beam.io.WriteToText(self._prefix, ".jsonl")
        return extracts


def _as_line(extracts: Mapping[str, Any]) -> str:
    example, predictions = extracts[tfma.FEATURES_KEY], extracts[tfma.PREDICTIONS_KEY]
    row: dict[str, Any] = {
        name: example[feature][0].decode()
        for name, feature in {
            "key": features.KEY,
            "group": features.GROUP,
            "source": features.SOURCE,
        }.items()
    }
    row["slices"] = [slice_name(key) for key in extracts[tfma.SLICE_KEY_TYPES_KEY] if key]
    for model, counts in predictions_by_model(predictions).items():
        row[model] = _sparse(counts[CONFUSION])
        row[f"{model}_{BOUNDARY}"] = _sparse(counts[BOUNDARY])
        row[f"{model}_{CALIBRATION}"] = counts[CALIBRATION].tolist()
    return json.dumps(row)


def predictions_by_model(predictions: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Groups TFMA's predictions for an image by model, which TFMA omits for a single model."""
    return {CANDIDATE: predictions} if CONFUSION in predictions else predictions


def read_images(evaluation: str) -> Iterator[EvaluatedImage]:
    """Reads the pixel counts of each evaluated image.

    Args:
      evaluation: Path of the Evaluator's `evaluation` artifact.

    Yields:
      The images with their counts, in no particular order.
    """
    for file in find_files(os.path.join(evaluation, f"{_FILE}-*.jsonl")):
        for row in map(json.loads, read_lines(file)):
            yield EvaluatedImage(
                row["key"],
                row["group"],
                row["source"],
                row.get("slices", []),  # older evaluations have none
                _counts(row, CANDIDATE),
                _counts(row, BASELINE) if BASELINE in row else None,
            )


def _counts(row: Mapping[str, Any], model: str) -> Counts:
    confusion = _dense(row[model])
    boundary = _dense(row.get(f"{model}_{BOUNDARY}", np.zeros((len(confusion), 2), np.int64)))
    calibration = row.get(f"{model}_{CALIBRATION}", np.zeros((CALIBRATION_BINS, 3)))
    return Counts(1, confusion, boundary, np.asarray(calibration, float))


def _sparse(counts: npt.NDArray[np.int64]) -> dict[str, list[int]]:
    """Returns the shape of an array, and the places and values of the numbers that are not 0."""
    places = np.flatnonzero(counts)
    values = counts.ravel()[places]
    return {"shape": [*counts.shape], "places": places.tolist(), "values": values.tolist()}


def _dense(counts: Any) -> npt.NDArray[np.int64]:
    """Returns counts as an array. Evaluations of older versions of unetfx hold all numbers."""
    if not isinstance(counts, dict):
        return np.asarray(counts)
    array = np.zeros(counts["shape"], np.int64)
    array.flat[counts["places"]] = counts["values"]
    return array
