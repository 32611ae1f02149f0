"""The Report component: a page for people and metrics.json for programs."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact
from tfx.utils import path_utils

from components.evaluator.config import EVALUATED_SPLIT
from components.evaluator.evaluated_images import read_images
from components.evaluator.results import read_evaluation
from components.evaluator.verdict import read_verdict
from components.example_gen.artifact import read_examples, read_records
from components.report.gallery import choose, draw
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.page import Contents, render
from components.serving_check import verdict
from data.examples.records import Record
from serving.model.loading import ServedModel

PAGE_FILE = "index.html"
_LIBRARIES = ("tensorflow", "keras", "tfx", "apache-beam", "tensorflow-model-analysis", "numpy")


class ReportArtifact(artifact.Artifact):
    """A folder with index.html, its pictures, and metrics.json (`Metrics`)."""

    TYPE_NAME = "UnetfxReport"


@component
def Report(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    serving_check: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    report: tfx.dsl.components.OutputArtifact[ReportArtifact],
    name: tfx.dsl.components.Parameter[str],
    config: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Writes the report of a run.

    Args:
      examples: The examples; some of their test split are shown.
      model: The candidate model.
      model_run: Its training's logs.
      evaluation: What the Evaluator measured.
      blessing: What the gate decided.
      serving_check: What ServingCheck did.
      report: Where index.html, its pictures and metrics.json go.
      name: The pipeline's.
      config: The config, as YAML.
      code: Version of the code.
    """
    inputs = Inputs(examples, model, model_run, evaluation, blessing, serving_check)
    write_report(inputs, report.uri, name=name, config=config, code=code)


class Inputs(NamedTuple):
    """The artifacts that a report is of, as `Report` takes them."""

    examples: artifact.Artifact
    model: artifact.Artifact
    model_run: artifact.Artifact
    evaluation: artifact.Artifact
    blessing: artifact.Artifact
    serving_check: artifact.Artifact


def write_report(inputs: Inputs, folder: str, *, name: str, config: str, code: str) -> None:
    """Writes index.html, its pictures and metrics.json.

    Args:
      inputs: What it is of.
      folder: Where they go.
      name: The pipeline's.
      config: The config, as YAML.
      code: Version of the code.
    """
    examples, evaluation = inputs.examples, inputs.evaluation
    metrics = RunMetrics.of(
        read_evaluation(evaluation.uri),
        read_verdict(inputs.blessing.uri),
        verdict.read_verdict(inputs.serving_check.uri),
    )
    served = ServedModel(path_utils.serving_model_path(inputs.model.uri))

    def predict(encoded: bytes) -> npt.NDArray[np.uint8]:
        return served.predict([encoded])[0].class_ids

    def save(path: str, picture: Image.Image) -> None:
        where = os.path.join(folder, path)
        tf.io.gfile.makedirs(os.path.dirname(where))
        with tf.io.gfile.GFile(where, "wb") as file:
            picture.save(file, "JPEG" if path.endswith(".jpg") else "PNG")

    chosen = choose(lambda: read_images(evaluation.uri), served.classes)
    gallery = draw(chosen, read_examples(examples.uri, EVALUATED_SPLIT), predict, save)
    records = [record for record in read_records(examples) if record.statistics]
    page = render(
        Contents(
            name=name,
            classes=served.classes,
            metrics=metrics,
            histories=list(_texts(os.path.join(inputs.model_run.uri, "phase*/history.csv"))),
            records=records,
            gallery=gallery,
            provenance=list(_provenance(examples, records, code)),
            config=config,
        )
    )
    for file_name, text in (
        (PAGE_FILE, page),
        (METRICS_FILE, metrics.model_dump_json(indent=2)),
    ):
        with tf.io.gfile.GFile(os.path.join(folder, file_name), "w") as file:
            file.write(text)


def _provenance(
    examples: artifact.Artifact, records: Sequence[Record], code: str
) -> Iterator[tuple[str, str]]:
    spans = sorted({record.pair.span for record in records})
    if spans != [0]:
        yield "Data spans", ", ".join(map(str, spans))
    yield "Data fingerprint", json.dumps(examples.get_string_custom_property("input_fingerprint"))
    yield "Code", f"unetfx {metadata.version('unetfx')}, {code[:12]}"
    versions = ", ".join(f"{library} {metadata.version(library)}" for library in _LIBRARIES)
    yield "Libraries", f"Python {platform.python_version()}, {versions}"


def _texts(pattern: str) -> Iterator[str]:
    for path in sorted(tf.io.gfile.glob(pattern)):
        with tf.io.gfile.GFile(path) as file:
            yield file.read()
