import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.training import training as training_module
from components.tuner import run
from components.tuner.config import TunerConfig, TunerSettings
from data.config import ResizeView
from data.errors import InputError

CLASSES = ["dark", "bright"]
LINE = re.compile(r"  trial (\d)/(\d)   learning_rate (\S+)   (.*)")


class StopError(Exception):
    """A user stops the program."""


@pytest.fixture
def networks(monkeypatch):
    """Replaces the network by one convolution and returns the configs of all networks built.

    Its first weights predict the opposite of the masks.
    """
    configs = []

    def one_convolution(config, num_classes):
        configs.append(config)
        images = keras.Input((None, None, 3))
        x = keras.layers.Rescaling(1 / 255)(images)
        convolution = keras.layers.Conv2D(num_classes, 1)
        network = keras.Model(images, convolution(x))
        convolution.set_weights([np.float32([[[[1, -1]] * 3]]), np.float32([-0.75, 0.75])])
        return network

    monkeypatch.setattr(training_module, "build_network", one_convolution)
    return configs


@pytest.fixture
def prepare(tmp_path, networks, write_examples):
    """Prepares a search as TFX does."""
    for count, split in ((8, "train"), (4, "val")):
        write_examples(tmp_path / f"{split}.gz", count, seed=count, classes=CLASSES)

    def prepare(search, *, trials=3, epochs=2, algorithm="random", **training):
        trainer = TrainerSettings(
            classes=CLASSES,
            view=ResizeView(kind="resize", height=16, width=16),
            model=ModelConfig(weights="none"),
            training=TrainingConfig(
                **{
                    "precision": "float32",
                    "batch_size": 4,
                    "feature_memory_mib": 0,
                    "warmup_epochs": 0,
                }
                | training
            ),
            code="1",
        )
        tuner = TunerConfig.model_validate(
            {"search": search, "trials": trials, "epochs": epochs, "algorithm": algorithm}
        )
        settings = TunerSettings.of(trainer, tuner)
        arguments = FnArgs(
            train_files=[str(tmp_path / "train.gz")],
            eval_files=[str(tmp_path / "val.gz")],
            custom_config={
                "settings": settings.model_dump_json(),
                "unfinished": str(tmp_path / "unfinished"),
            },
        )
        return run.tuner_fn(arguments).tuner

    return prepare


def found(tuner):
    """Returns the values and the score of each trial, in order."""
    trials = sorted(tuner.oracle.trials.values(), key=lambda trial: trial.trial_id)
    return [(trial.hyperparameters.values, trial.score) for trial in trials]


def test_trials_have_different_values_and_the_best_one_wins(prepare, capsys):
    tuner = prepare({"learning_rate": [1e-9, 0.3]}, trials=2, epochs=6)
    tuner.search()
    scores = {values["learning_rate"]: score for values, score in found(tuner)}
    assert set(scores) == {1e-9, 0.3}
    assert scores[0.3] == 1
    assert scores[1e-9] == 0
    assert tuner.get_best_hyperparameters()[0].values == {"learning_rate": 0.3}
    lines = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines() if line]
    assert [(line[1], line[2]) for line in lines] == [("1", "2"), ("2", "2")]
    for line in lines:
        assert re.fullmatch(rf"val mean IoU {scores[float(line[3])]:.3f}   \d+ s", line[4])


def test_a_finished_search_leaves_no_files(prepare, tmp_path):
    prepare({"width": [0.5, 1]}, trials=2, epochs=1).search()
    assert not list((tmp_path / "unfinished").iterdir())


def test_hyperparameters_reach_the_network_and_the_loss(prepare, networks, monkeypatch):
    losses = []

    class Loss(training_module.SegmentationLoss):
        def __init__(self, terms, weights):
            super().__init__(terms, weights)
            losses.append(terms)

    monkeypatch.setattr(training_module, "SegmentationLoss", Loss)
    both = {"dice": 1, "cross_entropy": 0.5}
    search = {
        "loss": ["focal", both],
        "width": {"min": 0.5, "max": 1},
        "dropout": {"min": 0, "max": 0.5},
        "learning_rate": {"min": 1e-6, "max": 1},
    }
    tuner = prepare(search, trials=6, epochs=1)
    tuner.search()
    assert len(found(tuner)) == 6
    assert {tuple(terms) for terms in losses} == {("focal",), tuple(both)}
    assert both in losses
    for (values, _), config, terms in zip(found(tuner), networks, losses, strict=True):
        assert json.loads(values["loss"]) == terms
        assert (config.width, config.dropout) == (values["width"], values["dropout"])
        assert 0.5 <= config.width <= 1
        assert 0 <= config.dropout <= 0.5
    rates = [values["learning_rate"] for values, _ in found(tuner)]
    assert min(rates) < 1e-3 < max(rates)  # with linear sampling, all would be above


# The first three trials of a Bayesian search are random.
@pytest.mark.parametrize(("algorithm", "trials"), [("random", 2), ("bayesian", 4)])
def test_the_seed_determines_the_search(prepare, algorithm, trials):
    space = {"learning_rate": {"min": 0.01, "max": 1}}

    def search(seed, trials=trials):
        tuner = prepare(space, trials=trials, epochs=1, algorithm=algorithm, seed=seed)
        tuner.search()
        return found(tuner)

    first = search(0)
    assert len(first) == trials
    assert first == search(0)
    assert first[:2] != search(1, trials=2)


def test_a_trial_scores_like_the_same_training_alone(prepare):
    tuner = prepare({"learning_rate": [0.1, 0.2]}, trials=2, epochs=3)
    tuner.search()
    for values, score in found(tuner):
        alone = prepare({"learning_rate": [values["learning_rate"]]}, trials=2, epochs=3)
        alone.search()
        assert found(alone) == [(values, score)]  # there is only one combination


def test_a_non_finite_loss_ends_only_its_trial(prepare, monkeypatch, capsys):
    class Broken(training_module.SegmentationLoss):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) + (np.nan if "dice" in self.terms else 0)

    monkeypatch.setattr(training_module, "SegmentationLoss", Broken)
    tuner = prepare({"loss": ["dice", "cross_entropy"]}, trials=2, learning_rate=0.3, epochs=4)
    tuner.search()
    scores = {values["loss"]: score for values, score in found(tuner)}
    assert scores['{"dice": 1.0}'] == run.FAILED_SCORE
    assert scores['{"cross_entropy": 1.0}'] > 0.5
    assert tuner.get_best_hyperparameters()[0].values["loss"] == '{"cross_entropy": 1.0}'
    assert re.search(
        r"loss dice   failed: the loss is NaN or infinite .*epoch 1", capsys.readouterr().out
    )


def test_if_every_trial_fails_the_error_is_one_line(prepare, tmp_path, monkeypatch):
    class Broken(training_module.SegmentationLoss):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) + np.nan

    monkeypatch.setattr(training_module, "SegmentationLoss", Broken)
    with pytest.raises(InputError) as caught:
        prepare({"learning_rate": [0.1, 0.2]}, trials=2, epochs=1).search()
    words = "tuner.search: every trial failed, the first one because the loss is NaN or infinite "
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_collapse_is_reported_and_keeps_its_low_score(prepare, monkeypatch, capsys):
    monkeypatch.setattr(run, "has_collapsed", lambda scores: True)
    tuner = prepare({"learning_rate": [1e-9]}, trials=1, epochs=1)
    tuner.search()
    assert found(tuner) == [({"learning_rate": 1e-9}, 0)]
    assert re.search(r" s   predicts one class only\n", capsys.readouterr().out)


def test_an_error_that_concerns_every_trial_ends_the_search(prepare, monkeypatch):
    def build(config, num_classes):
        raise InputError("model.weights: no such file")

    monkeypatch.setattr(training_module, "build_network", build)
    with pytest.raises(InputError, match=r"^model\.weights: no such file$"):
        prepare({"learning_rate": [0.1, 0.2]}, trials=2).search()


@pytest.fixture
def stop_in_the_second_trial(monkeypatch, networks):
    """Stops the second trial in its second epoch, once."""
    original = training_module.Checkpoints.save

    def save(self, network, scores):
        if len(networks) == 2 and len(self.history) == 1:
            raise StopError
        original(self, network, scores)

    monkeypatch.setattr(training_module.Checkpoints, "save", save)


def test_an_interrupted_search_is_resumed(prepare, networks, stop_in_the_second_trial, capsys):
    space = {"learning_rate": {"min": 1e-3, "max": 0.1}}
    with pytest.raises(StopError):
        prepare(space).search()
    assert len(networks) == 2
    tuner = prepare(space)
    tuner.search()
    assert len(networks) == 2 + 2
    resumed = found(tuner)
    output = capsys.readouterr().out
    assert [output.count(f"trial {number}/3") for number in (1, 2, 3)] == [1, 2, 1]
    assert "Reloading" not in output
    unbroken = prepare(space)
    unbroken.search()
    for (values, score), (others, other) in zip(resumed, found(unbroken), strict=True):
        assert values == others
        assert score == pytest.approx(other, abs=1e-4)


def test_a_search_with_a_damaged_state_starts_again(
    prepare, tmp_path, networks, stop_in_the_second_trial
):
    space = {"learning_rate": {"min": 1e-3, "max": 0.1}}
    with pytest.raises(StopError):
        prepare(space).search()
    (state,) = (tmp_path / "unfinished").glob("*/oracle.json")
    state.write_text(state.read_text()[:100])
    tuner = prepare(space)
    tuner.search()
    assert len(found(tuner)) == 3


def test_trials_write_no_tensorboard_logs(prepare, tmp_path):
    prepare({"width": [0.5]}, trials=1, epochs=1).search()
    assert not list(tmp_path.rglob("events.out.tfevents.*"))
    assert tf.io.gfile.listdir(str(tmp_path / "unfinished")) == []
