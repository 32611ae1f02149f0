"""Writes the data of a report: metrics.json, report.json, the model card and the pictures."""

import csv
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from tfx.types import artifact

from components.blessings import saved_model_path
from components.card.making import CardInputs, architecture, make_card
from components.card.versions import software_versions
from components.evaluator.config import EVALUATED_SPLIT, OTHER_HELD_OUT_SPLITS
from components.evaluator.evaluated_images import read_images
from components.evaluator.evaluated_masks import read_masks
from components.evaluator.intervals import read_intervals
from components.evaluator.results import read_evaluation
from components.evaluator.verdict import read_verdict
from components.example_gen.artifact import read_examples, read_summary
from components.labels.verdicts import read_verdicts
from components.report.contents import CONTENTS_FILE, Contents, SplitContents
from components.report.gallery import draw, save_picture
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.ranking import choose
from components.report.wrong_masks import draw_wrong_masks
from components.serving_check import verdict
from data.files.finding import find_files
from data.files.paths import join
from data.files.reading import read_text
from data.files.writing import write_text
from serving.card.config import CardConfig
from serving.card.files import card_files
from serving.model.description import model_description
from serving.model.loading import ServedModel


class Inputs(NamedTuple):
    """The input artifacts of the Report component."""

    examples: artifact.Artifact
    model: artifact.Artifact
    model_run: artifact.Artifact
    evaluation: artifact.Artifact
    blessing: artifact.Artifact
    serving_check: artifact.Artifact


def write_report(
    inputs: Inputs,
    folder: str,
    *,
    name: str,
    config: str,
    code: str,
    texts: CardConfig,
    verdicts: str,
) -> None:
    """Writes metrics.json, report.json, the model card and the pictures to a report's folder.

    Args:
      inputs: Artifacts of the run that the report describes.
      folder: Folder of the report, local or remote.
      name: Name of the pipeline.
      config: Config of the pipeline as YAML.
      code: Version of the code that writes reports.
      texts: The `card` section of the config.
      verdicts: Path of the file that keeps people's verdicts on masks.
    """
    examples, evaluation = inputs.examples, inputs.evaluation
    metrics = RunMetrics.of(
        read_evaluation(evaluation.uri),
        read_intervals(evaluation.uri),
        read_verdict(inputs.blessing.uri),
        verdict.read_verdict(inputs.serving_check.uri),
    )
    description = model_description(saved_model_path(inputs.model))
    served = ServedModel(saved_model_path(inputs.model))

    def predict(encoded: bytes) -> npt.NDArray[np.uint8]:
        return served.predict([encoded])[0].class_ids

    def save(path: str, picture: Image.Image) -> None:
        save_picture(join(folder, path), picture)

    held_out = itertools.chain.from_iterable(
        read_examples(examples.uri, split) for split in (EVALUATED_SPLIT, *OTHER_HELD_OUT_SPLITS)
    )
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
        network=architecture(description),
        temperature=description.get("temperature"),
        wrong_masks=draw_wrong_masks(
            read_masks(evaluation.uri), read_verdicts(verdicts), held_out, served, save
        ),
    )
    described = CardInputs(
        examples, inputs.model, evaluation, inputs.blessing, inputs.serving_check
    )
    texts_by_file = card_files(make_card(described, name, texts)) | {
        METRICS_FILE: metrics.model_dump_json(indent=2),
        CONTENTS_FILE: contents.model_dump_json(indent=2),
    }
    for file, text in texts_by_file.items():
        write_text(join(folder, file), text)


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
    yield "Data fingerprint", examples.get_string_custom_property("input_fingerprint")
    versions = software_versions()
    yield "Code", f"unetfx {versions.pop('unetfx')}, {code[:12]}"
    yield "Libraries", ", ".join(map(" ".join, versions.items()))
