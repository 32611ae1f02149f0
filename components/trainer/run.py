"""What the Trainer component runs: from a config and TFRecords to a SavedModel."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tfx import v1 as tfx

from components.trainer.config import TrainerSettings
from components.trainer.network import build_network, dtype_policy
from data.config import IGNORE
from data.dataset import read_batches, read_training_batches
from serving.graph import export_saved_model

SETTINGS = "settings"
"""Key of the Trainer's `custom_config` under which the TrainerSettings lie, as JSON."""


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains and exports. TFX calls it by its import path.

    Args:
      fn_args: Holds the training and validation files, where the SavedModel and TensorBoard's logs
        belong, and `custom_config`, a dict with:
        - settings: TrainerSettings as JSON.

    Raises:
      InputError: The encoder's weights cannot be had, or do not fit; or there are no examples.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config[SETTINGS])
    classes, view, training = settings.classes, settings.view, settings.training
    keras.utils.set_random_seed(training.seed)
    tf.config.experimental.enable_op_determinism()

    gpus = tf.config.list_logical_devices("GPU")
    strategy = tf.distribute.MirroredStrategy() if gpus else tf.distribute.get_strategy()
    with strategy.scope(), dtype_policy(training.precision):
        network = build_network(settings.model, len(classes))
        network.compile(
            optimizer=keras.optimizers.Adam(training.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE),
            metrics=[
                keras.metrics.MeanIoU(
                    len(classes), ignore_class=IGNORE, sparse_y_pred=False, name="mean_iou"
                )
            ],
            jit_compile="auto" if gpus else False,  # XLA makes bfloat16 slow on CPUs
        )
    cache = training.cache == "memory"
    network.fit(
        read_training_batches(
            fn_args.train_files,
            view,
            training.batch_size,
            seed=training.seed,
            augmentation=training.augmentation,
            crops_per_image=training.crops_per_image,
            class_aware_crops=training.class_aware_crops,
            cache=cache,
            replicas=strategy.num_replicas_in_sync,
        ),
        validation_data=read_batches(
            fn_args.eval_files,
            view,
            training.batch_size,
            cache=cache,
            replicas=strategy.num_replicas_in_sync,
        ),
        epochs=training.epochs,
        verbose=0,
        callbacks=[
            _Progress(),
            keras.callbacks.TerminateOnNaN(raise_error=True),
            keras.callbacks.TensorBoard(fn_args.model_run_dir),
            keras.callbacks.EarlyStopping(
                "val_mean_iou", mode="max", patience=training.patience, restore_best_weights=True
            ),
        ],
    )
    export_saved_model(
        network,
        fn_args.serving_model_dir,
        classes=classes,
        view=view,
        intensity_range=settings.intensity_range,
    )


class _Progress(keras.callbacks.Callback):
    """Prints a line an epoch."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        print(flush=True)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = logs or {}
        scores = {"loss": "loss", "val loss": "val_loss", "val mean IoU": "val_mean_iou"}
        shown = "".join(f"   {title} {logs[name]:.3f}" for title, name in scores.items())
        seconds = time.monotonic() - self._began
        print(f"  epoch {epoch + 1}/{self.params['epochs']}{shown}   {seconds:.0f} s", flush=True)
