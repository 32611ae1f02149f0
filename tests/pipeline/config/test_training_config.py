"""The parts `model:`, `training:` and `tuner:` of a config."""

import pytest

from tests.pipeline.conftest import GOOD, changed


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"loss": "dice"}, {"dice": 1}),
        ({"loss": {"cross_entropy": 1, "dice": 0.5}}, {"cross_entropy": 1, "dice": 0.5}),
        ({}, {"cross_entropy": 1}),
    ],
)
def test_a_loss_is_a_name_or_a_sum(load, training, expected):
    assert load(changed(training=training)).training.loss == expected


@pytest.mark.parametrize(
    ("training", "key", "words"),
    [
        ({"loss": "jaccard"}, "training.loss", ("dice", "focal", "jaccard")),
        ({"loss": {"dice": 0}}, "training.loss.dice", ("greater than 0",)),
        ({"loss": {}}, "training.loss", ("at least 1",)),
        ({"class_weights": "equal"}, "training.class_weights", ("balanced", "equal")),
        ({"class_weights": {"disk": 3}}, "training.class_weights", ("disk", "['ground', 'disc']")),
        ({"warmup_epochs": 9, "epochs": 2}, "training", ("warmup_epochs", "9", "2 epochs")),
        (
            {"second_phase": {"unfreeze_from": "block5", "epochs": 1}},
            "training.second_phase.learning_rate",
            ("missing",),
        ),
        ({"strategy": "tpu"}, "training.strategy", ("mirrored", "tpu")),
    ],
)
def test_what_is_wrong_with_a_training_is_one_line(problems, training, key, words):
    (line,) = problems(changed(training=training))
    assert line.startswith(key)
    assert all(word in line for word in words), line


def test_an_unknown_encoder_is_told_with_those_there_are(problems):
    (line,) = problems(changed(model={"encoder": "vgg17"}))
    assert line.startswith("model.encoder: ")
    assert all(name in line for name in ("vgg16", "vgg19", "resnet50", "vgg17"))


def test_what_is_searched(load):
    space = {
        "learning_rate": {"min": 1e-4, "max": 1e-3},
        "loss": ["dice", {"cross_entropy": 1, "dice": 0.5}],
        "width": [1, 0.5],
        "dropout": {"min": 0, "max": 0.3},
    }
    tuner = load(changed(tuner={"search": space})).tuner
    assert tuner.search.model_dump() == space | {
        "loss": [{"dice": 1}, {"cross_entropy": 1, "dice": 0.5}]
    }
    assert (tuner.trials, tuner.epochs, tuner.algorithm) == (10, 3, "random")


@pytest.mark.parametrize("text", [GOOD, changed(tuner=None)])
def test_without_a_tuner_section_nothing_is_searched(load, text):
    assert load(text).tuner is None


@pytest.mark.parametrize(
    ("tuner", "key", "words"),
    [
        ({}, "tuner.search", ("missing",)),
        ({"search": {}}, "tuner.search", ("nothing to search", "learning_rate, loss, width")),
        ({"search": {"width": []}}, "tuner.search.width", ("at least 1",)),
        ({"search": {"loss": []}}, "tuner.search.loss", ("at least 1",)),
        ({"search": {"widht": [1]}}, "tuner.search.widht", ("unknown key", "width?")),
        ({"serach": {"width": [1]}, "search": {"width": [1]}}, "tuner.serach", ("search?",)),
        ({"search": {"width": 0.5}}, "tuner.search.width", ("list of values", "min", "0.5")),
        ({"search": {"width": [3]}}, "tuner.search.width.0", ("less than or equal to 2", "3")),
        ({"search": {"dropout": [0, 1]}}, "tuner.search.dropout.1", ("less than 1",)),
        ({"search": {"loss": ["jaccard"]}}, "tuner.search.loss.0", ("dice", "jaccard")),
        (
            {"search": {"learning_rate": {"min": 0, "max": 1}}},
            "tuner.search.learning_rate.min",
            ("greater than 0",),
        ),
        (
            {"search": {"learning_rate": {"min": 0.1}}},
            "tuner.search.learning_rate.max",
            ("missing",),
        ),
        (
            {"search": {"learning_rate": {"min": 0.1, "max": 0.01}}},
            "tuner.search.learning_rate",
            ("0.1 is not below max: 0.01",),
        ),
        (
            {"search": {"width": {"min": 0.1, "max": 1, "step": 0.1}}},
            "tuner.search.width.step",
            ("unknown key",),
        ),
        ({"search": {"width": [1]}, "trials": 0}, "tuner.trials", ("greater",)),
        ({"search": {"width": [1]}, "algorithm": "grid"}, "tuner.algorithm", ("random", "grid")),
    ],
)
def test_what_is_wrong_with_a_search_is_one_line(problems, tuner, key, words):
    (line,) = problems(changed(tuner=tuner))
    assert line.startswith(f"{key}: ")
    assert all(word in line for word in words), line


def test_a_trial_is_longer_than_the_warmup(problems):
    text = changed(training__warmup_epochs=3, tuner={"search": {"width": [1]}, "epochs": 2})
    assert problems(text) == ["tuner.epochs: 2, but training.warmup_epochs is 3"]
