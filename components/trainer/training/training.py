"""A training: from settings and TFRecords to a network with the best epoch's weights."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from components.trainer.config import TrainerSettings
from components.trainer.network.encoder import layers_from
from components.trainer.network.network import build_network
from components.trainer.training.callbacks import (
    Checkpoints,
    NonFiniteLossError,
    Panels,
    Progress,
    StopAtNonFiniteLoss,
    TellCollapse,
)
from components.trainer.training.devices import dtype_policy, is_chief, prepare_for_fit
from components.trainer.training.losses import SegmentationLoss, balanced_weights
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import Adam
from components.trainer.warm_start import take_weights
from data.errors import UnetfxError
from data.input_pipeline.dataset import count_classes, read_batches, read_training_batches
from serving.config import Precision


class FailedTrainingError(UnetfxError):
    """Nothing came of these settings, for want of memory or of a finite loss; others may do."""


class _Phase(NamedTuple):
    number: int
    epochs: int
    learning_rate: float


class Training:
    """Trains a network, phase after phase; goes on where it was interrupted.

    Attributes:
      network: The network, from float32 images [batch, height, width, 3] in 0..255 to logits.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        strategy: tf.distribute.Strategy,
        train_files: Sequence[str],
        val_files: Sequence[str],
        *,
        folder: str,
        log_dir: str,
        base_model: str | None = None,
        shown: bool = True,
    ) -> None:
        """Builds the network, and looks at the examples.

        Args:
          settings: What is trained, and how.
          strategy: From `choose_strategy`.
          train_files: Patterns of TFRecord files.
          val_files: The same.
          folder: What is needed to go on after an interruption.
          log_dir: For the table of epochs and TensorBoard's logs.
          base_model: The SavedModel to begin with, where the settings ask for a warm start.
          shown: Whether a person and TensorBoard are told of the epochs.

        Raises:
          InputError: The encoder's weights cannot be had, or do not fit; or there are no examples.
        """
        self._settings, self._training = settings, settings.training
        self._strategy = strategy
        self._files, self._val_files = train_files, val_files
        self._folder, self._log_dir = folder, log_dir
        self._shown = shown and is_chief(strategy)
        keras.utils.set_random_seed(self._training.seed)
        tf.config.experimental.enable_op_determinism()
        with strategy.scope(), dtype_policy(self._training.precision):
            self.network = build_network(settings.model, len(settings.classes))
        if self._training.warm_start:
            began = take_weights(self.network, base_model)
            if self._shown:
                print(f"  {began}", flush=True)
        self._examples, fractions = count_classes(self._files, settings.classes)
        self._loss = SegmentationLoss(self._training.loss, self._class_weights(fractions))

    def run(self) -> Mapping[str, float]:
        """Trains, and gives the network the best epoch's weights.

        Returns:
          The best epoch's scores, by the names that Keras gives them.

        Raises:
          FailedTrainingError: A batch does not fit into memory, or the loss became no number.
          InputError: There is no such block to unfreeze.
        """
        training = self._training
        if training.second_phase:
            encoder = self.network.get_layer(self._settings.model.encoder)
            later = layers_from(encoder, training.second_phase.unfreeze_from)
        best = self._fit(_Phase(1, training.epochs, training.learning_rate))
        if training.second_phase:
            for layer in later:
                layer.trainable = True
            epochs, rate = training.second_phase.epochs, training.second_phase.learning_rate
            second = self._fit(_Phase(2, epochs, rate))
            best = max(best, second, key=lambda phase: phase.best)
            best.restore()
        return best.best_scores

    def network_in(self, precision: Precision | None) -> keras.Model:
        """Returns the network with the weights that it has now.

        Args:
          precision: What it computes in; None for what it is trained in.

        Returns:
          The network, or another one.
        """
        if precision is None:
            return self.network
        unweighted = self._settings.model.model_copy(update={"weights": "none"})
        with dtype_policy(precision):
            network = build_network(unweighted, len(self._settings.classes))
        network.set_weights(self.network.get_weights())
        return network

    def _fit(self, phase: _Phase) -> Checkpoints:
        network, training = self.network, self._training
        views = self._examples * training.crops_per_image
        steps = -(-views // training.batch_size)
        with self._strategy.scope():
            network.compile(
                optimizer=Adam(self._learning_rate(phase, steps)),
                loss=self._loss,
                metrics=[ClassIoU(self._settings.classes)],
                # XLA makes bfloat16 slow on CPUs.
                jit_compile="auto" if tf.config.list_logical_devices("GPU") else False,
            )
            prepare_for_fit(network, self._strategy, len(self._settings.classes))
            logs = os.path.join(self._log_dir, f"phase{phase.number}")
            checkpoints = Checkpoints(
                os.path.join(self._folder, f"phase{phase.number}"), logs, training.patience
            )
            checkpoints.set_model(network)
            checkpoints.take_up()
        done = len(checkpoints.history)
        if done < phase.epochs and not checkpoints.exhausted:
            val = self._val_batches()
            callbacks = [StopAtNonFiniteLoss(), checkpoints]
            if self._shown:
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
                raise FailedTrainingError(
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

    def _no_number(
        self, phase: _Phase, error: NonFiniteLossError, steps: int
    ) -> FailedTrainingError:
        skip = error.epoch * steps + error.batch
        *_, keys = next(iter(self._batches(phase, skip=skip, with_keys=True)))
        names = ", ".join(key.decode() for key in keys.numpy())
        return FailedTrainingError(
            f"the loss is no number (NaN or infinite) in epoch {error.epoch + 1}, batch "
            f"{error.batch + 1}, of the images {names}. Look at these and at their masks; if they "
            "are fine, lower training.learning_rate."
        )
