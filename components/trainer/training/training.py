"""Trains a network on TFRecord files and keeps the weights of the best epoch."""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from components.trainer.config import TrainerSettings
from components.trainer.network.encoder import layers_from
from components.trainer.network.network import build_network, changing_weights
from components.trainer.training.checkpoints import Checkpoints
from components.trainer.training.devices import is_chief
from components.trainer.training.features import FeatureBuffer, KeptFeatures, keep_features
from components.trainer.training.learning_rate import learning_rate
from components.trainer.training.losses import SegmentationLoss, balanced_weights
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import Adam, adam_of
from components.trainer.training.precision import dtype_policy
from components.trainer.training.progress import Progress
from components.trainer.training.steps import Steps
from components.trainer.training.stopping import total_epochs
from components.trainer.training.tensorboard import TensorBoard
from components.trainer.warm_start import take_weights
from data.errors import UnetfxError
from data.input_pipeline.dataset import (
    class_shares,
    count_views,
    read_batches,
    read_training_batches,
)

_FEWEST_STEPS = 50  # training steps per epoch with `training.epochs: auto`


class FailedTrainingError(UnetfxError):
    """Training failed (out of memory, or a loss that is not finite); other settings may work."""


class _Phase(NamedTuple):
    number: int  # 1 for the first phase, 2 for the second
    epochs: int | None  # maximum; None for no maximum
    learning_rate: float
    warmup_epochs: float = 0


class Training:
    """Trains a network in one or two phases, and resumes a training run that was interrupted.

    Attributes:
      network: The network, which maps float32 images [batch, height, width, 3] in 0..255 to float32
        logits [batch, height, width, C], where C is the number of classes.
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
        """Builds the network and counts the training examples.

        Args:
          settings: Trainer settings, which include the `model` and `training` sections of the
            config.
          strategy: Distribution strategy from `choose_strategy`.
          train_files: Glob patterns of the TFRecord files to train on.
          val_files: Glob patterns of the TFRecord files to validate on.
          folder: Folder for the checkpoints, from which an interrupted training run resumes.
          log_dir: Folder for the TensorBoard logs and for `history.csv`, which lists the scores of
            all epochs.
          base_model: Folder of the SavedModel whose weights are copied if `training.warm_start` is
            true; None if there is no such model.
          shown: Whether the chief worker prints progress and writes TensorBoard logs; the other
            workers never do.

        Raises:
          InputError: The encoder's weights are unavailable or do not fit, `model.freeze` specifies
            blocks or a number of layers that the encoder does not have, or there are no training
            examples.
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
            start = take_weights(self.network, base_model)
            if self._shown:
                print(f"  {start}", flush=True)
        self._batches_per_epoch = self._count_batches()
        self._loss = SegmentationLoss(self._training.loss, self._class_weights())

    def run(self) -> Mapping[str, float]:
        """Trains the network, then loads the weights of the best epoch.

        The best epoch is the one with the highest mean IoU on `val`.

        Returns:
          The scores of the best epoch, by name.

        Raises:
          FailedTrainingError: A batch does not fit into memory, or the loss is NaN or infinite.
          InputError: `second_phase.unfreeze_from` names a block that the encoder does not have.
        """
        training = self._training
        if training.second_phase:
            encoder = self.network.get_layer(self._settings.model.encoder)
            unfrozen = layers_from(encoder, training.second_phase.unfreeze_from)
        epochs = None if training.epochs == "auto" else training.epochs
        best = self._train(_Phase(1, epochs, training.learning_rate, training.warmup_epochs))
        if training.second_phase:
            for layer in unfrozen:
                layer.trainable = True
            epochs, rate = training.second_phase.epochs, training.second_phase.learning_rate
            second = self._train(_Phase(2, epochs, rate))
            best = max(best, second, key=lambda phase: phase.best)
            best.load_best(self.network)
        return best.best_scores

    def _train(self, phase: _Phase) -> Checkpoints:
        """Runs a training phase, or the remaining epochs of an interrupted phase."""
        folder = os.path.join(self._folder, f"phase{phase.number}")
        checkpoints = Checkpoints(folder, self._logs(phase))
        with self._strategy.scope():
            momentum = self._training.ema_momentum
            optimizer = Adam(ema_momentum=momentum, averaged=changing_weights(self.network))
            self.network.compile(optimizer, self._loss)
            self.network.optimizer.build(self.network.trainable_variables)
            checkpoints.load_last(self.network)
            if checkpoints.history:
                optimizer.swap_averages()  # they were saved in place of the weights
        if len(checkpoints.history) != self._total_epochs(phase, checkpoints):
            try:
                self._train_epochs(phase, checkpoints)
            except tf.errors.ResourceExhaustedError as error:
                raise FailedTrainingError(
                    f"a batch does not fit into memory. Lower training.batch_size (now "
                    f"{self._training.batch_size}), data.view, or model.width."
                ) from error
        checkpoints.load_best(self.network)
        return checkpoints

    def _train_epochs(self, phase: _Phase, checkpoints: Checkpoints) -> None:
        network, first_epoch = self.network, len(checkpoints.history)
        first_step = first_epoch * self._batches_per_epoch
        plain_val_batches = self._val_batches()
        val_batches = self._distribute(plain_val_batches)
        kept = self._keep_features(val_batches)
        with self._strategy.scope():
            iou = ClassIoU(self._settings.classes)
            steps = Steps(network, iou, self._strategy, kept.decoder, kept.val_spec)
        progress = Progress(self._batches_per_epoch, shown=self._shown)
        board = self._board(phase, kept, plain_val_batches) if self._shown else None
        batches = self._batches_from(phase, first_step, kept.buffer)
        for epoch in itertools.count(first_epoch):
            total = self._total_epochs(phase, checkpoints)
            if epoch == total:
                break
            rate = self._learning_rate(phase, total)
            with progress.bar(epoch, total):
                steps.reset_scores()
                for number in range(self._batches_per_epoch):
                    rate_of_step = rate(epoch * self._batches_per_epoch + number)
                    network.optimizer.learning_rate.assign(rate_of_step)
                    loss = steps.train(next(batches))
                    if not math.isfinite(loss):
                        raise self._non_finite_loss(phase, epoch, number, kept.buffer)
                    progress.advance(loss)
                scores = steps.scores()
                # The averages are the model that is validated and kept.
                adam_of(network).swap_averages()
                steps.reset_scores()
                for batch in kept.val_batches:
                    steps.validate(batch)
                scores |= {f"val_{name}": score for name, score in steps.scores().items()}
                checkpoints.save(network, scores)
            progress.print_epoch(scores)
            if board:
                board.write(epoch, scores)
            adam_of(network).swap_averages()
        if board:
            board.close()

    def _board(
        self, phase: _Phase, kept: KeptFeatures, plain_val_batches: tf.data.Dataset
    ) -> TensorBoard:
        # Only the chief shows images, and it must not read distributed batches alone.
        if not isinstance(kept.val_batches, list):
            batch, model = next(iter(plain_val_batches)), self.network
        else:  # only the decoder has to run
            local = self._strategy.experimental_local_results
            batch = tf.nest.map_structure(lambda part: local(part)[0], kept.val_batches[0])
            model = kept.decoder
        return TensorBoard(self.network, model, batch, self._logs(phase))

    def _keep_features(self, val_batches: tf.data.Dataset) -> KeptFeatures:
        """Keeps features of the encoder, but none if a part of the encoder learns."""
        training, view = self._training, self._settings.view
        if (
            not training.feature_memory_mib
            or self.network.get_layer(self._settings.model.encoder).trainable_weights
        ):
            return KeptFeatures(None, val_batches, val_batches.element_spec)
        kept = keep_features(
            self.network,
            self._strategy,
            val_batches,
            training,
            image_size=(view.height, view.width),
            most_batches=self._batches_per_epoch,
        )
        if self._shown:
            print(f"  {kept.summary}", flush=True)
        return kept

    def _batches_from(
        self, phase: _Phase, first_step: int, buffer: FeatureBuffer | None
    ) -> Iterator[Any]:
        """Yields the distributed batches of a phase, from a training step on."""
        first_batch = buffer.mixture.oldest(first_step) if buffer else first_step
        batches = self._distribute(self._training_batches(phase, skip=first_batch))
        return buffer.mixed(batches, first_step) if buffer else iter(batches)

    def _training_batches(
        self, phase: _Phase, *, skip: int, with_keys: bool = False
    ) -> tf.data.Dataset:
        """Returns an endless dataset of training batches; their order is the same in every run.

        Args:
          phase: The training phase.
          skip: Number of batches to skip at the start.
          with_keys: Whether each batch also contains the keys (names) of its image-mask pairs.
        """
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
        # All batches are full: the end of an epoch shares a batch with the start of the next one.
        return epoch.repeat().rebatch(training.batch_size, drop_remainder=True).skip(skip)

    def _val_batches(self) -> tf.data.Dataset:
        return read_batches(
            self._val_files,
            self._settings.view,
            self._training.batch_size,
            cache=self._training.cache == "memory",
            replicas=self._strategy.num_replicas_in_sync,
        )

    def _distribute(
        self, batches: tf.data.Dataset
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        return self._strategy.experimental_distribute_dataset(batches)

    def _class_weights(self) -> list[float]:
        weights, classes = self._training.class_weights, self._settings.classes
        if weights == "balanced":
            return balanced_weights(class_shares(self._files, len(classes)))
        return [weights.get(name, 1.0) for name in classes]

    def _count_batches(self) -> int:
        """Returns the number of training batches per epoch."""
        training = self._training
        views = count_views(self._files, self._settings.view, training.crops_per_image)
        batches = -(-views // training.batch_size)
        # The scores of a few steps are too noisy to decide when training ends.
        fewest = _FEWEST_STEPS if training.epochs == "auto" else 1
        return batches * -(-fewest // batches)

    def _total_epochs(self, phase: _Phase, checkpoints: Checkpoints) -> int | None:
        training = self._training
        return total_epochs(
            checkpoints.val_scores,
            epochs=phase.epochs,
            patience=training.patience,
            schedule=training.schedule,
        )

    def _learning_rate(self, phase: _Phase, total: int | None) -> Callable[[int], float]:
        # A training run that ends early has followed the cosine of the whole run.
        epochs = phase.epochs if self._training.schedule == "cosine" else total
        return learning_rate(
            phase.learning_rate,
            schedule=self._training.schedule,
            steps=None if epochs is None else epochs * self._batches_per_epoch,
            warmup_steps=round(phase.warmup_epochs * self._batches_per_epoch),
        )

    def _logs(self, phase: _Phase) -> str:
        return os.path.join(self._log_dir, f"phase{phase.number}")

    def _non_finite_loss(
        self, phase: _Phase, epoch: int, batch: int, buffer: FeatureBuffer | None
    ) -> FailedTrainingError:
        step = epoch * self._batches_per_epoch + batch
        origins = buffer.mixture.origins(step) if buffer else [step] * self._training.batch_size
        first = min(origins)
        batches = self._training_batches(phase, skip=first, with_keys=True)
        keys = [keys.numpy() for *_, keys in batches.take(max(origins) - first + 1)]
        names = ", ".join(
            keys[origin - first][position].decode() for position, origin in enumerate(origins)
        )
        return FailedTrainingError(
            f"the loss is NaN or infinite in epoch {epoch + 1}, batch {batch + 1}, of the images "
            f"{names}. Check these images and their masks; if they are correct, lower "
            "training.learning_rate."
        )
