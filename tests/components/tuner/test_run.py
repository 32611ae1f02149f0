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
    """Somebody stops the program."""


@pytest.fixture
def networks(monkeypatch):
    """Puts one convolution in the network's place; returns the configs that it was asked for.

    It begins with the opposite of what it is taught.
    """
    asked = []

    def one_convolution(config, num_classes):
        asked.append(config)
        images = keras.Input((None, None, 3))
        x = keras.layers.Rescaling(1 / 255)(images)
        convolution = keras.layers.Conv2D(num_classes, 1)
        network = keras.Model(images, convolution(x))
        convolution.set_weights([np.float32([[[[1, -1]] * 3]]), np.float32([-0.75, 0.75])])
        return network

    monkeypatch.setattr(training_module, "build_network", one_convolution)
    return asked


@pytest.fixture
def prepare(tmp_path, networks, write_examples):
    """Prepares a search, as TFX would."""
    for count, split in ((8, "train"), (4, "val")):
        write_examples(tmp_path / f"{split}.gz", count, seed=count, classes=CLASSES)

    def prepare(search, *, trials=3, epochs=2, algorithm="random", **training):
        trainer = TrainerSettings(
            classes=CLASSES,
            view=ResizeView(kind="resize", height=16, width=16),
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**{"precision": "float32", "batch_size": 4} | training),
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
    """Values and score of each trial, in their order."""
    trials = sorted(tuner.oracle.trials.values(), key=lambda trial: trial.trial_id)
    return [(trial.hyperparameters.values, trial.score) for trial in trials]


def test_trials_have_other_values_and_the_best_one_wins(prepare, capsys):
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


def test_nothing_is_left_of_a_search_that_ended(prepare, tmp_path):
    prepare({"width": [0.5, 1]}, trials=2, epochs=1).search()
    assert not list((tmp_path / "unfinished").iterdir())


def test_what_is_searched_reaches_the_network_and_the_loss(prepare, networks, monkeypatch):
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
    assert min(rates) < 1e-3 < max(rates)  # drawn evenly, hardly one would be below


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_the_seed_decides(prepare, algorithm):
    space = {"learning_rate": {"min": 0.01, "max": 1}}

    def search(seed):
        tuner = prepare(space, trials=5, epochs=2, algorithm=algorithm, seed=seed)
        tuner.search()
        return found(tuner)

    first = search(0)
    assert len(first) == 5
    assert first == search(0)
    assert first != search(1)


def test_a_trial_s_score_is_that_of_the_same_training_alone(prepare):
    tuner = prepare({"learning_rate": [0.1, 0.2]}, trials=2, epochs=3)
    tuner.search()
    for values, score in found(tuner):
        alone = prepare({"learning_rate": [values["learning_rate"]]}, trials=2, epochs=3)
        alone.search()
        assert found(alone) == [(values, score)]  # there is no second combination to try


def test_a_loss_that_is_no_number_ends_its_trial_alone(prepare, monkeypatch, capsys):
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
        r"loss dice   failed: the loss is no number .*epoch 1", capsys.readouterr().out
    )


def test_when_every_trial_fails_it_is_one_line(prepare, tmp_path, monkeypatch):
    class Broken(training_module.SegmentationLoss):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) + np.nan

    monkeypatch.setattr(training_module, "SegmentationLoss", Broken)
    with pytest.raises(InputError) as caught:
        prepare({"learning_rate": [0.1, 0.2]}, trials=2, epochs=1).search()
    words = "tuner.search: every trial failed, the first one so: the loss is no number "
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_collapse_is_said_and_keeps_its_low_score(prepare, monkeypatch, capsys):
    monkeypatch.setattr(run, "has_collapsed", lambda scores: True)
    tuner = prepare({"learning_rate": [1e-9]}, trials=1, epochs=1)
    tuner.search()
    assert found(tuner) == [({"learning_rate": 1e-9}, 0)]
    assert re.search(r" s   predicts one class only\n", capsys.readouterr().out)


def test_an_error_that_no_other_values_mend_ends_the_search(prepare, monkeypatch):
    def build(config, num_classes):
        raise InputError("model.weights: no such file")

    monkeypatch.setattr(training_module, "build_network", build)
    with pytest.raises(InputError, match=r"^model\.weights: no such file$"):
        prepare({"learning_rate": [0.1, 0.2]}, trials=2).search()


@pytest.fixture
def stop_in_the_second_trial(monkeypatch, networks):
    """Makes the first training that has the second trial's network stop in its second epoch."""
    original = training_module.Checkpoints.on_epoch_end

    def on_epoch_end(self, epoch, logs=None):
        if len(networks) == 2 and epoch == 1:
            raise StopError
        original(self, epoch, logs)

    monkeypatch.setattr(training_module.Checkpoints, "on_epoch_end", on_epoch_end)


def test_an_interrupted_search_goes_on(prepare, networks, stop_in_the_second_trial, capsys):
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


def test_what_a_killed_search_could_not_write_is_begun_anew(
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


def test_trials_leave_no_logs_for_a_person(prepare, tmp_path):
    prepare({"width": [0.5]}, trials=1, epochs=1).search()
    assert not list(tmp_path.rglob("events.out.tfevents.*"))
    assert tf.io.gfile.listdir(str(tmp_path / "unfinished")) == []
