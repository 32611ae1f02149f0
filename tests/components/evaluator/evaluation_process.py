"""Evaluates one large image among small ones, and prints the peak memory in KiB.

The argument is an empty folder.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from components.evaluator.component import EvaluatorSettings, Executor
from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.results import read_evaluation
from data.config import DataConfig, ResizeView
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.listing.pair import Pair
from pipeline.config.beam import LocalBeam
from serving.model.export import export_saved_model

CLASSES = ["a", "b", "c"]
SIZES = [*[(40, 50)] * 20, (3000, 4000), *[(40, 50)] * 20]
VIEW = ResizeView(kind="resize", height=64, width=64)
KINDS = {
    "examples": standard_artifacts.Examples,
    "model": standard_artifacts.Model,
    "evaluation": standard_artifacts.ModelEvaluation,
    "blessing": standard_artifacts.ModelBlessing,
}


def main():
    folder = Path(sys.argv[1])
    images = keras.Input((None, None, 3))
    network = keras.Model(images, keras.layers.Conv2D(len(CLASSES), 1)(images))
    export_saved_model(network, str(folder / "model/Format-Serving"), classes=CLASSES, view=VIEW)
    write_examples(folder)
    scores = read_evaluation(evaluate(folder)).candidate[""]
    assert sum(map(sum, scores.confusion_matrix)) == sum(height * width for height, width in SIZES)
    # The peak of getrusage would include the parent process that this one was forked from.
    with Path("/proc/self/status").open() as status:
        (peak,) = (line for line in status if line.startswith("VmHWM"))
    print(peak.split()[1])


def write_examples(folder):
    source = {"kind": "folder", "path": str(folder)}
    data = DataConfig(source=source, classes=CLASSES, view=VIEW.model_dump())
    for split in ("val", "test"):
        (folder / f"Split-{split}").mkdir()
    random = np.random.default_rng(0)
    with (
        tf.io.TFRecordWriter(str(folder / "Split-test/data.gz"), "GZIP") as records,
        (folder / "pairs.jsonl").open("w") as rows,
    ):
        for number, size in enumerate(SIZES):
            image = Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8))
            image.save(folder / "image.png", compress_level=0)
            mask = Image.fromarray(random.integers(0, len(CLASSES), size, np.uint8))
            mask.save(folder / "mask.png")
            files = (str(folder / "image.png"), str(folder / "mask.png"))
            read = read_pair(Pair(str(number), *files, str(number), "s", 0, "test"), data)
            records.write(make_example(read, CLASSES).SerializeToString())
            rows.write(json.dumps(read.record.as_row(CLASSES)) + "\n")
    with tf.io.TFRecordWriter(str(folder / "Split-val/data.gz"), "GZIP") as records:
        records.write(make_example(read, CLASSES).SerializeToString())


def evaluate(folder):
    """Runs the Evaluator and returns the path of its evaluation."""
    artifacts = {name: [kind()] for name, kind in KINDS.items()}
    for name, (artifact,) in artifacts.items():
        artifact.uri = str(folder if name == "examples" else folder / name)
        Path(artifact.uri).mkdir(exist_ok=True)
    artifacts["examples"][0].split_names = '["val", "test"]'
    settings = EvaluatorSettings(
        classes=CLASSES, evaluation=EvaluationConfig(), gate=GateConfig(mean_iou=0), code=""
    )
    Executor(Executor.Context(beam_pipeline_args=LocalBeam().arguments())).Do(
        {name: artifacts[name] for name in ("examples", "model")},
        {name: artifacts[name] for name in ("evaluation", "blessing")},
        {"settings": settings.model_dump_json()},
    )
    return artifacts["evaluation"][0].uri
