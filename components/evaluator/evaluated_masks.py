"""Writes and reads the scores of the masks of held-out images: where they may be wrong."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma

from components.evaluator.evaluated_images import predictions_by_model
from components.evaluator.results import CANDIDATE
from components.labels.pairs import class_ids_of
from components.labels.ranking import ScoredMask
from components.labels.scores import LabelScores, Region, score_mask
from components.labels.verdicts import content_hash
from data.examples import features
from data.files.finding import find_files
from data.files.reading import read_lines
from serving.doubts import doubts_of
from serving.model.label_doubts import LABEL_DOUBTS, LABEL_QUALITY

_FILE = "masks"  # Beam adds the shard number and the suffix: masks-val-00000-of-00001.jsonl


def write_masks(folder: str, split: str) -> tfma.extractors.Extractor:
    """Returns a TFMA extractor that writes the scores of each mask to JSON Lines files.

    The extractor passes on TFMA's extracts unchanged.

    Args:
      folder: Folder of the `evaluation` artifact, to which the files masks-*.jsonl are written.
      split: Name of the split that is evaluated.
    """
    prefix = os.path.join(folder, f"{_FILE}-{split}")
    return tfma.extractors.Extractor("WriteMasks", _Write(prefix, split))


class _Write(beam.PTransform):
    def __init__(self, prefix: str, split: str) -> None:
        super().__init__()
        self._prefix, self._split = prefix, split

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        lines = extracts | "AsLine" >> beam.Map(_as_line, self._split)
        _ = lines | "WriteLines" >> beam.io.WriteToText(self._prefix, ".jsonl")
        return extracts


def _as_line(extracts: Mapping[str, Any], split: str) -> str:
    example = extracts[tfma.FEATURES_KEY]
    predictions = predictions_by_model(extracts[tfma.PREDICTIONS_KEY])[CANDIDATE]
    image, mask = (example[name][0] for name in (features.IMAGE, features.MASK))
    doubts = doubts_of(predictions[LABEL_QUALITY].item(), predictions[LABEL_DOUBTS].item())
    scores = score_mask(doubts, class_ids_of(mask))
    key = example[features.KEY][0].decode()
    # Tuples with names become arrays in JSON.
    return json.dumps(ScoredMask(key, split, content_hash(image, mask), scores))


def read_masks(evaluation: str) -> Iterator[ScoredMask]:
    """Reads the scores of the masks of `val` and `test`; evaluations of older versions have none.

    Args:
      evaluation: Path of the Evaluator's `evaluation` artifact.

    Yields:
      The scored masks, in no particular order.
    """
    for file in find_files(os.path.join(evaluation, f"{_FILE}-*.jsonl")):
        for line in read_lines(file):
            key, split, content, (quality, suspicion, regions, worst) = json.loads(line)
            scores = LabelScores(quality, suspicion, regions, worst and Region(*worst))
            yield ScoredMask(key, split, content, scores)
