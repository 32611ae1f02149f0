"""Writes the data of a report: metrics.json, report.json and the pictures for the gallery."""

import csv
import io
import json
import math
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from tfx.types import artifact

from components.blessings import saved_model_path
from components.evaluator.config import EVALUATED_SPLIT
from components.evaluator.evaluated_images import read_images
from components.evaluator.intervals import read_intervals
from components.evaluator.results import read_evaluation
from components.evaluator.verdict import read_verdict
from components.example_gen.artifact import read_examples, read_summary
from components.report.contents import CONTENTS_FILE, Contents, SplitContents
from components.report.gallery import draw, save_picture
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.ranking import choose
from components.serving_check import verdict
from data.files.finding import find_files
from data.files.paths import join
from data.files.reading import read_text
from data.files.writing import write_text
from serving.model.description import model_description
from serving.model.loading import ServedModel

_LIBRARIES = ("tensorflow", "keras", "tfx", "apache-beam", "tensorflow-model-analysis", "numpy")


class Inputs(NamedTuple):
    """The input artifacts of the Report component."""

    examples: artifact.Artifact
    model: artifact.Artifact
    model_run: artifact.Artifact
    evaluation: artifact.Artifact
    blessing: artifact.Artifact
    serving_check: artifact.Artifact


def write_report(inputs: Inputs, folder: str, *, name: str, config: str, code: str) -> None:
    """Writes metrics.json, report.json and the gallery's pictures to the folder of a report.

    Args:
      inputs: Artifacts of the run that the report describes.
      folder: Folder of the report, local or remote.
      name: Name of the pipeline.
      config: Config of the pipeline as YAML.
      code: Version of the code that writes reports.
    """
    examples, evaluation = inputs.examples, inputs.evaluation
    metrics = RunMetrics.of(
        read_evaluation(evaluation.uri),
        read_intervals(evaluation.uri),
        read_verdict(inputs.blessing.uri),
        verdict.read_verdict(inputs.serving_check.uri),
    )
    served = ServedModel(saved_model_path(inputs.model))

    def predict(encoded: bytes) -> npt.NDArray[np.uint8]:
        return served.predict([encoded])[0].class_ids

    def save(path: str, picture: Image.Image) -> None:
        save_picture(join(folder, path), picture)

    chosen = choose(lambda: read_images(evaluation.uri), served.classes)
    summary = read_summary(examples)
    contents = Contents(
        name=name,
        classes=list(served.classes),
        histories=list(_histories(inputs.model_run.uri)),
        splits=list(map(SplitContents.of, summary.splits)),
        gallery=draw(chosen, read_examples(examples.uri, EVALUATED_SPLIT), predict, save),
        provenance=list(_provenance(examples, summary.spans, code)),
        config=config,
        network=_network(saved_model_path(inputs.model)),
    )
    for file, content in ((METRICS_FILE, metrics), (CONTENTS_FILE, contents)):
        write_text(join(folder, file), content.model_dump_json(indent=2))


def _network(path: str) -> str:
    settings = model_description(path)["config"]
    if settings is None:
        return ""
    model = settings["model"]
    return f"{model['encoder']}, decoder {model['decoder']} of width {model['width']:g}"


def _histories(model_run: str) -> Iterator[list[dict[str, float | None]]]:
    for path in find_files(join(model_run, "phase*/history.csv")):
        rows = csv.DictReader(io.StringIO(read_text(path)))
        yield [{name: _finite(float(text)) for name, text in row.items()} for row in rows]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _provenance(
    examples: artifact.Artifact, spans: Sequence[int], code: str
) -> Iterator[tuple[str, str]]:
    if spans != [0]:
        yield "Data spans", ", ".join(map(str, spans))
    yield "Data fingerprint", json.dumps(examples.get_string_custom_property("input_fingerprint"))
    yield "Code", f"unetfx {metadata.version('unetfx')}, {code[:12]}"
    versions = ", ".join(f"{library} {metadata.version(library)}" for library in _LIBRARIES)
    yield "Libraries", f"Python {platform.python_version()}, {versions}"
