"""The Report component: metrics.json and an overlay picture of test images."""

import heapq
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact, artifact_utils
from tfx.utils import path_utils

from components.evaluator.config import GateConfig
from components.evaluator.gate import read_verdict
from data import examples as features
from data.parsing import decode_image, decode_mask
from serving.model import ServedModel
from serving.overlay import Row, sheet

METRICS_FILE = "metrics.json"
OVERLAY_FILE = "overlay.png"
_SPLIT = "test"
_IMAGES = 6


class ReportArtifact(artifact.Artifact):
    """A folder with metrics.json (a `Verdict`) and overlay.png."""

    TYPE_NAME = "UnetfxReport"


@component
def Report(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    report: tfx.dsl.components.OutputArtifact[ReportArtifact],
    gate: tfx.dsl.components.Parameter[str],
) -> None:
    """Writes the report of a run.

    Args:
      examples: The examples; their test split is shown.
      model: The candidate model.
      evaluation: What the Evaluator found.
      report: Where metrics.json and overlay.png go.
      gate: GateConfig as JSON.
    """
    verdict = read_verdict(evaluation.uri, GateConfig.model_validate_json(gate))
    with tf.io.gfile.GFile(os.path.join(report.uri, METRICS_FILE), "w") as file:
        file.write(verdict.model_dump_json(indent=2))

    served = ServedModel(path_utils.serving_model_path(model.uri))
    folder = artifact_utils.get_split_uri([examples], _SPLIT)
    rows = []
    for example in heapq.nlargest(
        _IMAGES, _read(folder), key=lambda example: _mixture(example, served.classes)
    ):
        encoded = example.features.feature[features.IMAGE].bytes_list.value[0]
        key = example.features.feature[features.KEY].bytes_list.value[0].decode()
        image = decode_image(encoded).numpy()
        truth = decode_mask(example.features.feature[features.MASK].bytes_list.value[0]).numpy()
        rows.append(Row(key, image, [truth, served.predict([encoded])[0].class_ids]))
    picture = sheet(["image", "truth", "prediction"], rows, served.classes)
    with tf.io.gfile.GFile(os.path.join(report.uri, OVERLAY_FILE), "wb") as file:
        picture.save(file, "PNG")


def _read(folder: str) -> Iterator[tf.train.Example]:
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*.gz")))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)


def _mixture(example: tf.train.Example, classes: list[str]) -> tuple[float, str]:
    """Entropy of the mask's classes, in nats: the images with most to see; ties go by key."""
    shares = np.array(
        [example.features.feature[features.fraction(name)].float_list.value[0] for name in classes]
    )
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum()), example.features.feature[
        features.KEY
    ].bytes_list.value[0].decode()
