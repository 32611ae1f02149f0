"""Runs the Trainer, and before it the Tuner if the options have a search, in its own process.

The only command-line argument is the options as JSON.
"""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.training import training as training_module
from components.tuner.config import TunerConfig, TunerSettings
from components.tuner.run import UNFINISHED, tuner_fn
from data.config import Augmentation, ResizeView

CLASSES = ["dark", "bright"]


def network(config, num_classes):
    """A small network with a frozen encoder and synchronised normalisation, like the real one."""
    images = keras.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    encoder = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, padding="same")],
        name=config.encoder,
    )
    encoder.trainable = False
    encoded = encoder(scaled)
    skips = [keras.layers.Identity(name=f"skip{level}")(encoded) for level in range(1, 6)]
    x = keras.layers.Concatenate()([*skips, scaled])
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
    x = keras.layers.ReLU()(x)
    if config.dropout:
        x = keras.layers.SpatialDropout2D(config.dropout)(x)
    x = keras.layers.Conv2D(num_classes, 3, padding="same")(x)
    return keras.Model(images, x)


def main():
    options = json.loads(sys.argv[1])
    if options.get("cpus", 1) > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(options["cpus"])]
        tf.config.set_logical_device_configuration(cpu, parts)
    if "kill_at" in options:
        kill_at(*options["kill_at"])
    made = []
    training_module.build_network = lambda *arguments: made.append(network(*arguments)) or made[-1]
    settings = TrainerSettings(
        classes=CLASSES,
        view=ResizeView(kind="resize", height=16, width=16),
        model=ModelConfig(weights="none", dropout=options.get("dropout", 0.0)),
        training=TrainingConfig(
            **{"precision": "float32", "batch_size": 4, "learning_rate": 0.01, "patience": 9}
            | {"augmentation": Augmentation(flip="both", brightness=0.2)}
            | options["training"]
        ),
        code="1",
    )
    files = {"train_files": options["train"], "eval_files": options["val"]}
    best = search(options, settings, files) if "tuner" in options else None
    run.run_fn(
        tfx.components.FnArgs(
            **files,
            serving_model_dir=f"{options['out']}/model",
            model_run_dir=f"{options['out']}/logs/1",
            hyperparameters=best,
            custom_config={
                run.SETTINGS: settings.model_dump_json(),
                UNFINISHED: f"{options['out']}/unfinished-training",
            },
        )
    )
    weights = {str(i): weight for i, weight in enumerate(made[-1].get_weights())}
    np.savez(f"{options['out']}/weights.npz", **weights)


def search(options, settings, files):
    settings = TunerSettings.of(settings, TunerConfig.model_validate(options["tuner"]))
    custom_config = {
        run.SETTINGS: settings.model_dump_json(),
        UNFINISHED: f"{options['out']}/unfinished",
    }
    tuner = tuner_fn(tfx.components.FnArgs(**files, custom_config=custom_config)).tuner
    tuner.search()
    trials = [[trial.hyperparameters.values, trial.score] for trial in tuner.oracle.trials.values()]
    Path(options["out"], "trials.json").write_text(json.dumps(trials))
    return tuner.get_best_hyperparameters()[0].get_config()


def kill_at(epoch, batch):
    """Kills this process in the middle of an epoch, as the system does when memory is short."""
    batches = itertools.count()

    class Killed(training_module.Progress):
        def bar(self, at, total):
            nonlocal batches
            batches = itertools.count()
            self.epoch = at
            return super().bar(at, total)

        def advance(self, loss):
            if (self.epoch, next(batches)) == (epoch, batch):
                os.kill(os.getpid(), signal.SIGKILL)
            super().advance(loss)

    training_module.Progress = Killed
