"""The Evaluator as the pipeline runs it: real models, real examples."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from PIL import Image
from tfx.types import standard_artifacts

from components.evaluator.component import EvaluatorSettings, Executor
from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.gate import read_verdict
from components.evaluator.images import read_images
from components.evaluator.metrics import iou
from components.evaluator.results import read_evaluation
from data.config import DataConfig, ResizeView
from data.errors import InputError
from data.examples import make_example
from data.pairs import Pair
from data.reading import read_pair
from serving.graph import export_saved_model

CLASSES = ["red", "green", "blue"]
VIEW = ResizeView(kind="resize", height=16, width=24)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two SavedModels: one sees the colours as they are, the other takes green for blue."""
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


@pytest.fixture
def model(models, tmp_path):
    """Makes a model artifact of one of the two."""

    def make(number, kind="good"):
        artifact = standard_artifacts.Model()
        artifact.id = number
        artifact.uri = str(tmp_path / "Trainer/model" / str(number))
        shutil.copytree(models[kind], f"{artifact.uri}/Format-Serving")
        return artifact

    return make


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Two images from each of two cameras: all have red and green, one has blue as well."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "Split-test").mkdir()
    data = DataConfig(
        source={"kind": "folder", "path": str(folder)}, classes=CLASSES, view=VIEW.model_dump()
    )
    random = np.random.default_rng(0)
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
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = '["test"]'
    return artifact


class Evaluated:
    """What the Evaluator wrote."""

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


@pytest.fixture
def evaluate(examples, tmp_path):
    def evaluate(candidate, baselines=(), *, by=(), **gate):
        found = Evaluated(tmp_path / "evaluated" / str(candidate.id))
        settings = EvaluatorSettings(
            classes=CLASSES,
            evaluation=EvaluationConfig(slices=list(by)),
            gate=GateConfig(**({"mean_iou": 0.5} | gate)),
            code="",
        )
        inputs = {"examples": [examples], "model": [candidate], "baseline_model": list(baselines)}
        Executor(Executor.Context(beam_pipeline_args=["--runner=DirectRunner"])).Do(
            inputs,
            {key: [artifact] for key, artifact in found.outputs.items()},
            {"settings": settings.model_dump_json()},
        )
        return found

    return evaluate


def test_every_slice_that_tells_something_is_measured(model, evaluate):
    scores = evaluate(model(1), by=["image/span"]).scores
    assert scores.baseline == {}
    assert {name: part.images for name, part in scores.candidate.items()} == {
        "": 4,
        "image/group=g0": 1,
        "image/group=g1": 1,
        "image/group=g2": 1,
        "image/group=g3": 1,
        "image/size=1-256": 3,
        "image/size=257-512": 1,
        "image/source=a": 2,
        "image/source=b": 2,
        "image/span=0": 1,
        "image/span=1": 1,
        "image/span=2": 1,
        "image/span=3": 1,
        "mask/blue=absent": 3,
        "mask/blue=present": 1,
    }
    # Ignored rows are left out, and a slice's matrices add up to the whole's.
    whole = np.array(scores.candidate[""].confusion_matrix)
    assert whole.sum() == sum((h - 2) * w for h, w in [(16, 24), (32, 48), (32, 300), (16, 24)])
    parts = [scores.candidate[f"image/source={name}"].confusion_matrix for name in "ab"]
    np.testing.assert_array_equal(np.sum(parts, 0), whole)
    assert scores.candidate[""].metrics["mean_iou"] > 0.9
    assert scores.candidate["mask/blue=absent"].metrics["iou/blue"] is None


def test_a_passed_gate_blesses_as_tfx_does(model, evaluate):
    found = evaluate(model(7))
    blessing = found.outputs["blessing"]
    assert found.verdict.blessed
    assert tf.io.gfile.exists(f"{blessing.uri}/BLESSED")
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 7
    # What TFMA's own readers read, a notebook's for instance.
    result = tfma.load_eval_result(found.outputs["evaluation"].uri)
    assert (("image/source", "a"),) in [key for key, _ in result.slicing_metrics]


def test_a_missed_floor_of_a_slice_blesses_not(model, evaluate):
    found = evaluate(model(1, "bad"), mean_iou=0, slices={"image/height=32": {"iou/green": 0.9}})
    assert found.verdict.reasons() == [
        "green: IoU where image/height=32 0.000 is below its floor 0.900"
    ]
    assert tf.io.gfile.exists(f"{found.outputs['blessing'].uri}/NOT_BLESSED")
    assert found.outputs["blessing"].get_int_custom_property("blessed") == 0


def test_the_baseline_is_measured_on_the_same_images(model, evaluate):
    found = evaluate(model(3, "bad"), [model(2)], mean_iou=0, max_class_drop=0.1)
    assert found.verdict.baseline == "Trainer/model/2"
    assert found.scores.baseline.keys() == found.scores.candidate.keys()
    assert {rule.metric: rule.passed for rule in found.verdict.rules if rule.kind == "drop"} == {
        "iou/red": True,
        "iou/green": False,
        "iou/blue": False,
    }
    images = sorted(read_images(found.outputs["evaluation"].uri))
    assert [image.key for image in images] == ["0", "1", "2", "3"]
    assert [image.source for image in images] == ["a", "b", "a", "b"]
    totals = [sum(getattr(image, kind) for image in images) for kind in ("candidate", "baseline")]
    for total, scores in zip(totals, found.scores.model_dump().values(), strict=True):
        assert total.tolist() == scores[""]["confusion_matrix"]
    assert iou(images[0].baseline)[1] > 0.9 > iou(images[0].candidate)[1]


def gone(uri):
    shutil.rmtree(uri)


def cut_short(uri):
    (variables,) = tf.io.gfile.glob(f"{uri}/Format-Serving/variables/variables.data*")
    with Path(variables).open("r+b") as file:
        file.truncate(10)


def of_other_classes(uri):
    path = Path(uri) / "Format-Serving/assets.extra/unetfx.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"classes": ["cat", "dog", "mouse"]}))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (gone, "Trainer/model/5: its files are gone"),
        (cut_short, "Trainer/model/5: its files are broken"),
        (of_other_classes, "Trainer/model/5: it knows ['cat', 'dog', 'mouse']"),
    ],
)
def test_a_broken_baseline_is_said_and_passed_by(model, evaluate, harm, words):
    older, newer = model(4), model(5)
    harm(newer.uri)
    verdict = evaluate(model(6), [older, newer], max_drop=0.5).verdict
    assert verdict.baseline == "Trainer/model/4"
    assert len(verdict.remarks) == 1
    assert verdict.remarks[0].startswith(f"not compared with the blessed model {words}")
    assert "drop" in {rule.kind for rule in verdict.rules}


def test_without_any_whole_baseline_the_floors_decide(model, evaluate):
    newer = model(5)
    gone(newer.uri)
    verdict = evaluate(model(6), [newer], max_drop=0.5).verdict
    assert verdict.blessed
    assert verdict.baseline is None
    assert "the floors alone decided" in verdict.remarks[-1]
    assert {rule.kind for rule in verdict.rules} == {"floor"}


def test_the_config_may_want_no_older_baseline(model, evaluate):
    older, newer = model(4), model(5)
    cut_short(newer.uri)
    verdict = evaluate(model(6), [older, newer], max_drop=0, on_broken_baseline="floors").verdict
    assert verdict.baseline is None
    with pytest.raises(
        InputError, match=r"Trainer/model/5, .* broken .* unetfx unbless Trainer/model/5 --why"
    ):
        evaluate(model(7), [older, newer], max_drop=0, on_broken_baseline="fail")


def test_the_baseline_is_the_newest_whatever_order_they_come_in(model, evaluate):
    models = [model(4), model(6), model(5)]
    assert evaluate(model(7), models, max_drop=0.5).verdict.baseline == "Trainer/model/6"
