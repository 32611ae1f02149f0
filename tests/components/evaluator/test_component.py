"""Runs the Evaluator as the pipeline does, with real models and real examples."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from components.evaluator.evaluated_images import read_images
from components.evaluator.evaluated_masks import read_masks
from components.evaluator.metrics import class_areas, iou
from components.example_gen.artifact import read_examples
from components.labels.pairs import class_ids_of
from components.labels.scores import score_mask
from components.labels.verdicts import content_hash
from data.errors import InputError
from data.examples.features import IMAGE, KEY, MASK
from serving.model.loading import ServedModel
from tests import warm_process

CLASSES = ["red", "green", "blue"]
PROCESS = "tests.components.evaluator.evaluation_process:main"
_GIB = 2**20  # KiB, the unit of Linux for the peak memory of a process


def test_every_informative_slice_is_evaluated(model, run_evaluator):
    scores = run_evaluator(model(1), by=["image/span"]).scores
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
    # Ignored rows are left out, and the matrices of the slices add up to that of the whole split.
    whole = np.array(scores.candidate[""].confusion_matrix)
    assert whole.sum() == sum((h - 2) * w for h, w in [(16, 24), (32, 48), (32, 300), (16, 24)])
    parts = [scores.candidate[f"image/source={name}"].confusion_matrix for name in "ab"]
    np.testing.assert_array_equal(np.sum(parts, 0), whole)
    assert scores.candidate[""].metrics["mean_iou"] > 0.9
    assert scores.candidate["mask/blue=absent"].metrics["iou/blue"] is None


def test_a_passed_gate_blesses_as_tfx_does(model, run_evaluator):
    evaluated = run_evaluator(model(7))
    blessing = evaluated.outputs["blessing"]
    assert evaluated.verdict.blessed
    assert tf.io.gfile.exists(f"{blessing.uri}/BLESSED")
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 7
    # TFMA's own reader, as used in notebooks, reads the evaluation.
    result = tfma.load_eval_result(evaluated.outputs["evaluation"].uri)
    assert (("image/source", "a"),) in [key for key, _ in result.slicing_metrics]


def test_a_model_below_the_floor_of_a_slice_is_not_blessed(model, run_evaluator):
    evaluated = run_evaluator(
        model(1, "bad"), mean_iou=0, slices={"image/height=32": {"iou/green": 0.9}}
    )
    assert evaluated.verdict.reasons() == [
        "green: IoU where image/height=32 0.000 is below its floor 0.900"
    ]
    assert tf.io.gfile.exists(f"{evaluated.outputs['blessing'].uri}/NOT_BLESSED")
    assert evaluated.outputs["blessing"].get_int_custom_property("blessed") == 0


def test_the_baseline_is_measured_on_the_same_images(model, run_evaluator):
    evaluated = run_evaluator(model(3, "bad"), [model(2)], mean_iou=0, max_class_drop=0.1)
    assert evaluated.verdict.baseline == "Trainer/model/2"
    assert evaluated.scores.baseline.keys() == evaluated.scores.candidate.keys()
    assert {
        rule.metric: rule.passed for rule in evaluated.verdict.rules if rule.kind == "drop"
    } == {
        "iou/red": True,
        "iou/green": False,
        "iou/blue": False,
    }
    images = sorted(read_images(evaluated.outputs["evaluation"].uri))
    assert [image.key for image in images] == ["0", "1", "2", "3"]
    assert [image.source for image in images] == ["a", "b", "a", "b"]
    totals = [
        sum(getattr(image, kind).confusion_matrix for image in images)
        for kind in ("candidate", "baseline")
    ]
    for total, scores in zip(totals, evaluated.scores.model_dump().values(), strict=True):
        assert total.tolist() == scores[""]["confusion_matrix"]
    assert (
        iou(class_areas(images[0].baseline.confusion_matrix))[1]
        > 0.9
        > iou(class_areas(images[0].candidate.confusion_matrix))[1]
    )


def test_the_masks_of_val_and_test_are_scored(model, run_evaluator, examples):
    outputs = run_evaluator(model(3, "bad"), [model(2)], mean_iou=0, max_drop=1).outputs
    masks = {mask.key: mask for mask in read_masks(outputs["evaluation"].uri)}
    assert {key: mask.split for key, mask in masks.items()} == {"4": "val"} | dict.fromkeys(
        "0123", "test"
    )
    # The candidate, not the baseline: it predicts blue for green.
    assert masks["0"].scores.worst[:7] == (1, 2, 2, 12, 16, 24, 14 * 12)
    served = ServedModel(f"{model(4, 'bad').uri}/Format-Serving")
    for split in ("val", "test"):
        for example in read_examples(examples.uri, split):
            image, mask_png = (
                example.features.feature[name].bytes_list.value[0] for name in (IMAGE, MASK)
            )
            mask = masks[example.features.feature[KEY].bytes_list.value[0].decode()]
            assert mask.content == content_hash(image, mask_png)
            # `unetfx labels` computes the same.
            doubts = served.doubts(example.SerializeToString())
            assert mask.scores == score_mask(doubts, class_ids_of(mask_png))


def remove(uri):
    shutil.rmtree(uri)


def truncate(uri):
    (variables,) = tf.io.gfile.glob(f"{uri}/Format-Serving/variables/variables.data*")
    with Path(variables).open("r+b") as file:
        file.truncate(10)


def change_classes(uri):
    path = Path(uri) / "Format-Serving/assets.extra/unetfx.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"classes": ["cat", "dog", "mouse"]}))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (remove, "Trainer/model/5: its files are gone"),
        (truncate, "Trainer/model/5: its files are broken"),
        (change_classes, "Trainer/model/5: it has different classes, ['cat', 'dog', 'mouse']"),
    ],
)
def test_a_broken_baseline_is_reported_and_skipped(model, run_evaluator, damage, problem):
    older, newer = model(4), model(5)
    damage(newer.uri)
    verdict = run_evaluator(model(6), [older, newer], max_drop=0.5).verdict
    assert verdict.baseline == "Trainer/model/4"
    assert len(verdict.remarks) == 1
    assert verdict.remarks[0].startswith(f"not compared with the blessed model {problem}")
    assert "drop" in {rule.kind for rule in verdict.rules}


def test_if_every_baseline_is_broken_the_floors_decide(model, run_evaluator):
    newer = model(5)
    remove(newer.uri)
    verdict = run_evaluator(model(6), [newer], max_drop=0.5).verdict
    assert verdict.blessed
    assert verdict.baseline is None
    assert "the floors alone decided" in verdict.remarks[-1]
    assert {rule.kind for rule in verdict.rules} == {"floor"}


def test_the_config_may_rule_out_older_baselines(model, run_evaluator):
    older, newer = model(4), model(5)
    truncate(newer.uri)
    verdict = run_evaluator(
        model(6), [older, newer], max_drop=0, on_broken_baseline="floors"
    ).verdict
    assert verdict.baseline is None
    with pytest.raises(
        InputError,
        match=r"^Trainer/model/5, .* broken .*unetfx unbless Trainer/model/5 --why",
    ):
        run_evaluator(model(7), [older, newer], max_drop=0, on_broken_baseline="fail")


def test_the_baseline_is_the_newest_model_whatever_the_order(model, run_evaluator):
    models = [model(4), model(6), model(5)]
    assert run_evaluator(model(7), models, max_drop=0.5).verdict.baseline == "Trainer/model/6"


@pytest.mark.slow
def test_a_large_image_among_small_ones_stays_within_3_gib(tmp_path):
    finished = warm_process.run(PROCESS, ["evaluation_process", tmp_path])
    assert finished.code == 0, finished.output
    assert int(finished.output.splitlines()[-1]) < 3 * _GIB
