"""Runs the Trainer, and the Tuner if told so, in a process of its own.

python training_process.py SETTINGS_JSON
"""

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
    """Like the real one: convolutions, normalised over all devices; but small."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
    x = keras.layers.ReLU()(x)
    if config.dropout:
        x = keras.layers.SpatialDropout2D(config.dropout)(x)
    x = keras.layers.Conv2D(num_classes, 3, padding="same")(x)
    return keras.Model(images, x)


def main(told):
    if told.get("cpus", 1) > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(told["cpus"])]
        tf.config.set_logical_device_configuration(cpu, parts)
    if "kill_at" in told:
        kill_at(*told["kill_at"])
    made = []
    training_module.build_network = lambda *arguments: made.append(network(*arguments)) or made[-1]
    settings = TrainerSettings(
        classes=CLASSES,
        view=ResizeView(kind="resize", height=16, width=16),
        model=ModelConfig(weights="none", dropout=told.get("dropout", 0.0)),
        training=TrainingConfig(
            **{"precision": "float32", "batch_size": 4, "learning_rate": 0.01, "patience": 9}
            | {"augmentation": Augmentation(flip="both", brightness=0.2)}
            | told["training"]
        ),
        code="1",
    )
    files = {"train_files": told["train"], "eval_files": told["val"]}
    best = search(told, settings, files) if "tuner" in told else None
    run.run_fn(
        tfx.components.FnArgs(
            **files,
            serving_model_dir=f"{told['out']}/model",
            model_run_dir=f"{told['out']}/logs/1",
            hyperparameters=best,
            custom_config={run.SETTINGS: settings.model_dump_json()},
        )
    )
    weights = {str(i): weight for i, weight in enumerate(made[-1].get_weights())}
    np.savez(f"{told['out']}/weights.npz", **weights)


def search(told, settings, files):
    settings = TunerSettings.of(settings, TunerConfig.model_validate(told["tuner"]))
    custom_config = {
        run.SETTINGS: settings.model_dump_json(),
        UNFINISHED: f"{told['out']}/unfinished",
    }
    tuner = tuner_fn(tfx.components.FnArgs(**files, custom_config=custom_config)).tuner
    tuner.search()
    trials = [[trial.hyperparameters.values, trial.score] for trial in tuner.oracle.trials.values()]
    Path(told["out"], "trials.json").write_text(json.dumps(trials))
    return tuner.get_best_hyperparameters()[0].get_config()


def kill_at(epoch, batch):
    """As the system does when memory is short: without a word, in the middle of an epoch."""

    class Kill(training_module.StopAtNonFiniteLoss):
        def on_train_batch_end(self, at, logs=None):
            if (self._epoch, at) == (epoch, batch):
                os.kill(os.getpid(), signal.SIGKILL)

    training_module.StopAtNonFiniteLoss = Kill


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
