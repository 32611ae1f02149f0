"""Settings, files and a small network for trainings."""

import csv
from collections.abc import Sequence

import keras
import pytest

from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.training import training as training_module
from data.config import CropView, ResizeView

CLASSES = ["dark", "bright", "never"]
VIEW = ResizeView(kind="resize", height=16, width=16)
CROP = CropView(kind="crop", height=16, width=16)
PLAIN = {
    "precision": "float32",
    "batch_size": 4,
    "feature_memory_mib": 0,
    "warmup_epochs": 0,
    "ema_momentum": 0,
}


class Networks(list[keras.Model]):
    """The networks that trainings have built.

    Attributes:
      first_weights: Weights of the networks before training; empty for random ones.
    """

    first_weights: Sequence[object] = ()


@pytest.fixture
def networks(monkeypatch):
    """Replaces the network by one convolution, behind an encoder without weights."""
    networks = Networks()

    def one_convolution(config, num_classes):
        images = keras.Input((None, None, 3))
        encoder = keras.layers.Rescaling(1 / 255, name=config.encoder)
        scaled = encoder(images)
        skips = [keras.layers.Identity(name=f"skip{level}")(scaled) for level in range(1, 6)]
        convolution = keras.layers.Conv2D(num_classes, 1, name="convolution")
        networks.append(keras.Model(images, convolution(keras.layers.Average()(skips))))
        if networks.first_weights:
            networks[-1].set_weights(networks.first_weights)
        return networks[-1]

    monkeypatch.setattr(training_module, "build_network", one_convolution)
    return networks


@pytest.fixture
def inputs(tmp_path, write_examples):
    """Returns a function that makes the settings and the two files of a training."""

    def inputs(
        *,
        view=VIEW,
        size=(16, 16),
        inverted_val=False,
        marked=None,
        serving_precision=None,
        **training,
    ):
        settings = TrainerSettings(
            classes=CLASSES,
            view=view,
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**PLAIN | training),
            intensity_range=(0, 4095),
            serving_precision=serving_precision,
            code="1",
        )
        given = {"classes": CLASSES, "size": size}
        train = write_examples(tmp_path / "train.gz", 8, seed=1, marked=marked, **given)
        val = write_examples(tmp_path / "val.gz", 4, seed=2, inverted=inverted_val, **given)
        return settings, train, val

    return inputs


@pytest.fixture
def history(tmp_path):
    """Returns a function that reads a column of the history of the training `one` or another."""

    def history(column, name="one"):
        with (tmp_path / name / "logs/phase1/history.csv").open(newline="") as file:
            return [float(row[column]) for row in csv.DictReader(file)]

    return history
