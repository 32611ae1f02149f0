"""Fixtures of the tests of the components."""

import functools
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

import tests.quick_beam  # noqa: F401
from components.evaluator.component import EvaluatorSettings, Executor
from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.results import read_evaluation
from components.evaluator.verdict import read_verdict
from components.example_gen.artifact import SUMMARY_FILE, Summary
from components.serving_check.verdict import VERDICT_FILE, ServingVerdict
from data.config import DataConfig, ResizeView
from data.examples.batches import Ingested
from data.examples.features import HEIGHT, IMAGE, KEY, MASK, WIDTH, fraction
from data.examples.reading import read_pair
from data.examples.split_counts import count_splits
from data.examples.tally import Tally
from data.examples.writing import make_example
from data.listing.pair import Pair
from pipeline.config.beam import LocalBeam
from serving.model.export import export_saved_model

CLASSES = ["red", "green", "blue"]
VIEW = ResizeView(kind="resize", height=16, width=24)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Two SavedModels: one predicts the colours as they are, the other predicts blue for green."""
    folder = tmp_path_factory.mktemp("models")

    def export(name, weights):
        images = keras.Input((None, None, 3))
        convolution = keras.layers.Conv2D(3, 1)
        network = keras.Model(images, convolution(images))
        convolution.set_weights([np.array(weights).reshape(1, 1, 3, 3) / 20, np.zeros(3)])
        export_saved_model(network, str(folder / name), classes=CLASSES, view=VIEW)
        return folder / name

    return {
        "good": export("good", np.eye(3)),
        "bad": export("bad", [[1, 0, 0], [0, 0, 1], [0, 0, 1]]),
    }


@pytest.fixture(scope="session")
def copy_model(models):
    """Makes a model artifact of one of the two SavedModels in a folder."""

    def copy_model(folder, number, kind="good"):
        artifact = standard_artifacts.Model()
        artifact.id = number
        artifact.uri = str(folder / "Trainer/model" / str(number))
        shutil.copytree(models[kind], f"{artifact.uri}/Format-Serving")
        return artifact

    return copy_model


@pytest.fixture
def model(copy_model, tmp_path):
    """Makes a model artifact of one of the two SavedModels in the temporary folder of the test."""
    return functools.partial(copy_model, tmp_path)


@pytest.fixture(scope="session")
def examples(tmp_path_factory):
    """Two images from each of two cameras: all contain red and green, one also contains blue.

    They are the split `test`. In `val` is the image of the last one, whose mask is green instead of
    red in a part of 6×6 pixels.
    """
    folder = tmp_path_factory.mktemp("examples")
    for split in ("val", "test"):
        (folder / f"Split-{split}").mkdir()
    data = DataConfig(
        source={"kind": "folder", "path": str(folder)}, classes=CLASSES, view=VIEW.model_dump()
    )
    random, tally = np.random.default_rng(0), Tally()
    with (
        tf.io.TFRecordWriter(str(folder / "Split-test/data.gz"), "GZIP") as records,
        (folder / "pairs.jsonl").open("w") as rows,
    ):
        for number, size in enumerate([(16, 24), (32, 48), (32, 300), (16, 24)]):
            ids = np.zeros(size, np.uint8)
            ids[:, size[1] // 2 :] = 1
            if number == 3:
                ids[:8] = 2
            pixels = np.eye(3)[ids] * 200 + random.uniform(0, 50, (*size, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
            ids[:2] = 255
            Image.fromarray(ids).save(folder / f"{number}.mask.png")
            files = (str(folder / f"{number}.png"), str(folder / f"{number}.mask.png"))
            pair = Pair(str(number), *files, f"g{number}", "ab"[number % 2], number, "test")
            read = read_pair(pair, data)
            records.write(make_example(read, CLASSES).SerializeToString())
            rows.write(json.dumps(read.record.as_row(CLASSES)) + "\n")
            tally.add(read.record)
    ids[9:15, 3:9] = 1
    Image.fromarray(ids).save(folder / "4.mask.png")
    pair = Pair("4", str(folder / "3.png"), str(folder / "4.mask.png"), "g4", "a", 4, "val")
    with tf.io.TFRecordWriter(str(folder / "Split-val/data.gz"), "GZIP") as records:
        records.write(make_example(read_pair(pair, data), CLASSES).SerializeToString())
    splits = count_splits(Ingested(tally), CLASSES)
    summary = Summary(splits=splits, spans=sorted(tally.spans)).model_dump_json()
    (folder / SUMMARY_FILE).write_text(summary)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = '["val", "test"]'
    artifact.set_string_custom_property("input_fingerprint", "ab12")
    return artifact


class Evaluated:
    """Output of the Evaluator."""

    def __init__(self, folder):
        self.outputs = {
            "evaluation": standard_artifacts.ModelEvaluation(),
            "blessing": standard_artifacts.ModelBlessing(),
        }
        for key, artifact in self.outputs.items():
            artifact.uri = str(folder / key)
            (folder / key).mkdir(parents=True)

    @property
    def scores(self):
        return read_evaluation(self.outputs["evaluation"].uri)

    @property
    def verdict(self):
        return read_verdict(self.outputs["blessing"].uri)


@pytest.fixture(scope="session")
def evaluate_in(examples):
    """Evaluates a model on the examples with a gate, and writes the outputs to a folder."""

    def evaluate_in(folder, candidate, baselines=(), *, by=(), **gate):
        evaluated = Evaluated(folder / "evaluated" / str(candidate.id))
        settings = EvaluatorSettings(
            classes=CLASSES,
            evaluation=EvaluationConfig(slices=list(by)),
            gate=GateConfig(**({"mean_iou": 0.5} | gate)),
            code="",
        )
        inputs = {"examples": [examples], "model": [candidate], "baseline_model": list(baselines)}
        Executor(Executor.Context(beam_pipeline_args=LocalBeam().arguments())).Do(
            inputs,
            {key: [artifact] for key, artifact in evaluated.outputs.items()},
            {"settings": settings.model_dump_json()},
        )
        return evaluated

    return evaluate_in


@pytest.fixture
def run_evaluator(evaluate_in, tmp_path):
    """Evaluates a model as `evaluate_in` does, in the temporary folder of the test."""
    return functools.partial(evaluate_in, tmp_path)


@pytest.fixture(scope="session")
def evaluated(copy_model, evaluate_in, tmp_path_factory):
    """Output of the Evaluator for the good model, without a baseline; shared, so only read it."""
    folder = tmp_path_factory.mktemp("evaluated")
    return evaluate_in(folder, copy_model(folder, 1)).outputs


@pytest.fixture
def serving_check(tmp_path):
    """Makes the output of ServingCheck."""

    def serving_check(**verdict):
        artifact = standard_artifacts.InfraBlessing()
        artifact.uri = str(tmp_path / "check")
        (tmp_path / "check").mkdir()
        verdict = {"blessed": True, "reasons": [], "images": 4} | verdict
        text = ServingVerdict(**verdict).model_dump_json()
        (tmp_path / "check" / VERDICT_FILE).write_text(text)
        artifact.set_int_custom_property("blessed", int(verdict["blessed"]))
        return artifact

    return serving_check


def _write_examples(path, count, seed, *, classes, size=(16, 16), inverted=False, marked=None):
    def bytes_feature(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def png(pixels):
        return bytes_feature(tf.io.encode_png(pixels).numpy())

    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(count):
            class_ids = random.integers(0, 2, size, np.uint8)
            pixels = np.repeat((class_ids * 200)[..., np.newaxis], 3, -1).astype(np.uint8)
            class_ids = 1 - class_ids if inverted else class_ids
            class_ids[:2] = 255
            if number == marked:
                class_ids[0, 0] = classes.index("never")
            features = {IMAGE: png(pixels), MASK: png(class_ids[..., np.newaxis])}
            features[KEY] = bytes_feature(f"{path.stem}/{number}".encode())
            for name, length in zip((HEIGHT, WIDTH), size, strict=True):
                features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[length]))
            for class_id, name in enumerate(classes):
                share = (class_ids == class_id).sum() / (class_ids != 255).sum()
                floats = tf.train.FloatList(value=[share])
                features[fraction(name)] = tf.train.Feature(float_list=floats)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return [str(path)]


@pytest.fixture(scope="session")
def write_examples():
    """Writes a TFRecord file in which class 1 is bright, class 0 dark, and two rows are ignored."""
    return _write_examples
