"""Slices by the columns of a manifest, from the table to the metrics."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from components.evaluator.component import EvaluatorSettings, Executor
from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.results import read_evaluation
from components.evaluator.verdict import read_verdict
from data.config import DataConfig
from data.examples.shards import Shard, write_shard
from data.listing.pairs import find_pairs
from pipeline.config.beam import LocalBeam
from serving.model.export import export_saved_model

CLASSES = ["red", "green", "blue"]
RED, HALF = np.zeros((16, 24), np.uint8), np.repeat([[0], [1]], 8, 0) * np.ones((1, 24), np.uint8)
ROWS = [  # scanner, country, mask
    ("Zürich, 2", "CH", RED),
    ("Zürich, 2", "AT", HALF),
    ("", "CH", HALF),
    ("7", "AT", RED),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A manifest of pairs with pure colours."""
    folder = tmp_path_factory.mktemp("data")
    table = ["image,mask,split,scanner,country"]
    for number, (scanner, country, mask) in enumerate(ROWS):
        Image.fromarray(np.eye(3, dtype=np.uint8)[mask] * 255).save(folder / f"{number}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"{number}m.png")
        table.append(f'{number}.png,{number}m.png,test,"{scanner}",{country}')
    (folder / "pairs.csv").write_text("\n".join(table))
    view = {"kind": "resize", "height": 16, "width": 24}
    source = {"kind": "manifest", "path": str(folder / "pairs.csv")}
    return DataConfig.model_validate({"source": source, "classes": CLASSES, "view": view})


@pytest.fixture(scope="module")
def inputs(data, tmp_path_factory):
    """The pairs as examples, and a model that predicts blue for green."""
    folder = tmp_path_factory.mktemp("inputs")
    pairs = find_pairs(data, name="colours", folder="").pairs
    written = write_shard(Shard(str(folder / "examples/Split-test/data.gz"), pairs), data)
    write_shard(Shard(str(folder / "examples/Split-val/data.gz"), pairs[:1]), data)
    (folder / "examples/pairs.jsonl").write_bytes(b"".join(row for _, row in written.rows))
    convolution = keras.layers.Conv2D(3, 1)
    images = keras.Input((None, None, 3))
    network = keras.Model(images, convolution(images))
    weights = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]]) / 20
    convolution.set_weights([weights.reshape(1, 1, 3, 3), np.zeros(3)])
    path = str(folder / "model/Format-Serving")
    export_saved_model(network, path, classes=CLASSES, view=data.view)
    artifacts = {"examples": standard_artifacts.Examples(), "model": standard_artifacts.Model()}
    for name, artifact in artifacts.items():
        artifact.uri = str(folder / name)
    artifacts["examples"].split_names = json.dumps(["val", "test"])
    return artifacts


@pytest.fixture
def evaluate(inputs, tmp_path):
    def evaluate(by, **gate):
        settings = EvaluatorSettings(
            classes=CLASSES,
            evaluation=EvaluationConfig(slices=by),
            gate=GateConfig(mean_iou=0, **gate),
            code="",
        )
        outputs = {
            "evaluation": standard_artifacts.ModelEvaluation(),
            "blessing": standard_artifacts.ModelBlessing(),
        }
        for name, artifact in outputs.items():
            artifact.uri = str(tmp_path / name)
            tf.io.gfile.makedirs(artifact.uri)
        Executor(Executor.Context(beam_pipeline_args=LocalBeam().arguments())).Do(
            {name: [artifact] for name, artifact in inputs.items()},
            {name: [artifact] for name, artifact in outputs.items()},
            {"settings": settings.model_dump_json()},
        )
        return read_evaluation(outputs["evaluation"].uri), read_verdict(outputs["blessing"].uri)

    return evaluate


def test_a_column_divides_the_images_by_its_cells(evaluate):
    evaluation, _ = evaluate(["column/scanner", "column/country"])
    parts = {name: s for name, s in evaluation.candidate.items() if name.startswith("column/")}
    # All green pixels are predicted as blue, so both classes have an IoU of 0 there.
    assert {name: (s.images, s.metrics["mean_iou"]) for name, s in parts.items()} == {
        "column/country=AT": (2, pytest.approx(1 / 3)),
        "column/country=CH": (2, pytest.approx(1 / 3)),
        "column/scanner=(empty)": (1, pytest.approx(1 / 3)),
        "column/scanner=7": (1, 1),
        "column/scanner=Zürich, 2": (2, pytest.approx(1 / 3)),
    }
    half = 8 * 24
    assert parts["column/scanner=Zürich, 2"].confusion_matrix == [
        [3 * half, 0, 0],
        [0, 0, half],
        [0, 0, 0],
    ]
    assert parts["column/scanner=7"].confusion_matrix == [[2 * half, 0, 0], [0] * 3, [0] * 3]
    assert parts["column/scanner=7"].metrics["iou/green"] is None


def test_columns_without_a_config_entry_make_no_slices(evaluate):
    evaluation, _ = evaluate([])
    assert not [name for name in evaluation.candidate if name.startswith("column/")]


def test_the_gate_may_name_a_column(evaluate):
    slices = {
        "column/scanner=7": {"mean_iou": 0.9},
        "column/scanner=(empty)": {"pixel_accuracy": 0.6},
    }
    _, verdict = evaluate([], slices=slices)
    assert verdict.reasons() == [
        "pixel accuracy where column/scanner=(empty) 0.500 is below its floor 0.600"
    ]
    assert {rule.slice: rule.passed for rule in verdict.rules if rule.slice} == {
        "column/scanner=7": True,
        "column/scanner=(empty)": False,
    }
