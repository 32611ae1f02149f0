"""What the Trainer component runs: from a config and TFRecords to a SavedModel."""

import hashlib
import os
import tempfile
from typing import NamedTuple

import keras
import tensorflow as tf
from tfx import v1 as tfx

from components.trainer.callbacks import (
    COLLAPSED,
    Checkpoints,
    NonFiniteLossError,
    Panels,
    Progress,
    StopAtNonFiniteLoss,
    TellCollapse,
    has_collapsed,
)
from components.trainer.config import TrainerSettings
from components.trainer.devices import (
    choose_strategy,
    dtype_policy,
    is_chief,
    prepare_for_fit,
    worker,
)
from components.trainer.encoder import layers_from
from components.trainer.losses import SegmentationLoss, balanced_weights
from components.trainer.metrics import ClassIoU
from components.trainer.network import build_network
from data.dataset import count_classes, read_batches, read_training_batches
from data.errors import InputError
from serving.graph import export_saved_model

SETTINGS = "settings"
"""Key of the Trainer's `custom_config` under which the TrainerSettings lie, as JSON."""


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains and exports. TFX calls it by its import path.

    A training that was interrupted goes on after its last complete epoch.

    Args:
      fn_args: Holds the training and validation files, where the SavedModel and TensorBoard's logs
        belong, and `custom_config`, a dict with:
        - settings: TrainerSettings as JSON.

    Raises:
      InputError: The encoder's weights cannot be had, or do not fit; there are no examples; a batch
        does not fit into memory; the loss became no number; or the network predicts one class only.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config[SETTINGS])
    training = settings.training
    strategy = choose_strategy(training.strategy)  # first: several machines are joined before work
    keras.utils.set_random_seed(training.seed)
    tf.config.experimental.enable_op_determinism()
    with strategy.scope(), dtype_policy(training.precision):
        network = build_network(settings.model, len(settings.classes))
    trainer = _Trainer(network, strategy, settings, fn_args)
    if training.second_phase:
        later = layers_from(
            network.get_layer(settings.model.encoder), training.second_phase.unfreeze_from
        )

    best = trainer.fit(_Phase(1, training.epochs, training.learning_rate))
    if training.second_phase:
        for layer in later:
            layer.trainable = True
        epochs, rate = training.second_phase.epochs, training.second_phase.learning_rate
        second = trainer.fit(_Phase(2, epochs, rate))
        best = max(best, second, key=lambda phase: phase.best)
        best.restore()
    if has_collapsed(best.best_scores):
        raise InputError(COLLAPSED)

    with tempfile.TemporaryDirectory() as nowhere:
        export_saved_model(
            network,
            fn_args.serving_model_dir if is_chief(strategy) else nowhere,
            classes=settings.classes,
            view=settings.view,
            intensity_range=settings.intensity_range,
        )
    tf.io.gfile.rmtree(trainer.folder)


class _Phase(NamedTuple):
    number: int
    epochs: int
    learning_rate: float


class _Trainer:
    """Fits a network, phase after phase.

    Attributes:
      folder: What is needed to go on after an interruption.
    """

    def __init__(
        self,
        network: keras.Model,
        strategy: tf.distribute.Strategy,
        settings: TrainerSettings,
        fn_args: tfx.components.FnArgs,
    ) -> None:
        self._network, self._strategy = network, strategy
        self._settings, self._training = settings, settings.training
        self._files, self._val_files = fn_args.train_files, fn_args.eval_files
        self._log_dir = fn_args.model_run_dir
        self._examples, fractions = count_classes(self._files, settings.classes)
        self._loss = SegmentationLoss(self._training.loss, self._class_weights(fractions))
        self.folder = _unfinished_folder(fn_args, worker(strategy))

    def fit(self, phase: _Phase) -> Checkpoints:
        """Trains, and gives the network the best epoch's weights.

        Raises:
          InputError: A batch does not fit into memory, or the loss became no number.
        """
        network, training = self._network, self._training
        views = self._examples * training.crops_per_image
        steps = -(-views // training.batch_size)
        with self._strategy.scope():
            network.compile(
                optimizer=keras.optimizers.Adam(self._learning_rate(phase, steps)),
                loss=self._loss,
                metrics=[ClassIoU(self._settings.classes)],
                # XLA makes bfloat16 slow on CPUs.
                jit_compile="auto" if tf.config.list_logical_devices("GPU") else False,
            )
            prepare_for_fit(network, self._strategy, len(self._settings.classes))
            checkpoints = Checkpoints(
                os.path.join(self.folder, f"phase{phase.number}"),
                self._log_dir,
                training.patience,
            )
            checkpoints.set_model(network)
            checkpoints.take_up()
        done = len(checkpoints.history)
        if done < phase.epochs and not checkpoints.exhausted:
            val = self._val_batches()
            callbacks = [StopAtNonFiniteLoss(), checkpoints]
            if is_chief(self._strategy):
                logs = os.path.join(self._log_dir, f"phase{phase.number}")
                callbacks += [
                    Progress(steps, phase.epochs),
                    TellCollapse(),
                    keras.callbacks.TensorBoard(logs),
                    Panels(val, logs),
                ]
            try:
                network.fit(
                    self._batches(phase, skip=done * steps),
                    validation_data=val,
                    initial_epoch=done,
                    epochs=phase.epochs,
                    steps_per_epoch=steps,
                    shuffle=False,
                    verbose=0,
                    callbacks=callbacks,
                )
            except tf.errors.ResourceExhaustedError as error:
                raise InputError(
                    f"a batch does not fit into memory. Lower training.batch_size (now "
                    f"{training.batch_size}), data.view, or model.width."
                ) from error
            except NonFiniteLossError as error:
                raise self._no_number(phase, error, steps) from error
        checkpoints.restore()
        return checkpoints

    def _batches(self, phase: _Phase, *, skip: int, with_keys: bool = False) -> tf.data.Dataset:
        """One epoch after the other, without end: so each run meets the same batches."""
        training = self._training
        epoch = read_training_batches(
            self._files,
            self._settings.view,
            training.batch_size,
            seed=training.seed + phase.number - 1,
            augmentation=training.augmentation,
            crops_per_image=training.crops_per_image,
            class_aware_crops=training.class_aware_crops,
            cache=training.cache == "memory",
            replicas=self._strategy.num_replicas_in_sync,
            with_keys=with_keys,
        )
        return epoch.repeat().skip(skip)

    def _val_batches(self) -> tf.data.Dataset:
        return read_batches(
            self._val_files,
            self._settings.view,
            self._training.batch_size,
            cache=self._training.cache == "memory",
            replicas=self._strategy.num_replicas_in_sync,
        )

    def _class_weights(self, fractions: list[float]) -> list[float]:
        weights = self._training.class_weights
        if weights == "balanced":
            return balanced_weights(fractions)
        return [weights.get(name, 1.0) for name in self._settings.classes]

    def _learning_rate(
        self, phase: _Phase, steps: int
    ) -> float | keras.optimizers.schedules.LearningRateSchedule:
        warmup = round(self._training.warmup_epochs * steps) if phase.number == 1 else 0
        if self._training.schedule == "cosine":
            return keras.optimizers.schedules.CosineDecay(
                0.0 if warmup else phase.learning_rate,
                max(phase.epochs * steps - warmup, 1),
                warmup_target=phase.learning_rate if warmup else None,
                warmup_steps=warmup,
            )
        if warmup:
            return keras.optimizers.schedules.PolynomialDecay(0.0, warmup, phase.learning_rate)
        return phase.learning_rate

    def _no_number(self, phase: _Phase, error: NonFiniteLossError, steps: int) -> InputError:
        skip = error.epoch * steps + error.batch
        *_, keys = next(iter(self._batches(phase, skip=skip, with_keys=True)))
        names = ", ".join(key.decode() for key in keys.numpy())
        return InputError(
            f"the loss is no number (NaN or infinite) in epoch {error.epoch + 1}, batch "
            f"{error.batch + 1}, of the images {names}. Look at these and at their masks; if they "
            "are fine, lower training.learning_rate."
        )


def _unfinished_folder(fn_args: tfx.components.FnArgs, worker: int) -> str:
    """Where a training with these settings and these examples lies until it is finished.

    Not in the execution's own folder: a run that is started again is another execution.
    """
    told = repr((fn_args.custom_config[SETTINGS], fn_args.train_files, fn_args.eval_files))
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    executions = os.path.dirname(fn_args.model_run_dir.rstrip("/"))
    return os.path.join(executions, ".unfinished", f"{name}-{worker}")
