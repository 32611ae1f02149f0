"""One training step and one validation step, on all devices of a strategy."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.training.metrics import ClassIoU

_Batch = Any  # (images, masks); with several devices, one value for each device


class Steps:
    """Runs the steps of a network and keeps the scores of the pass over the data.

    To be made in the strategy's scope.

    Args:
      network: A compiled network whose optimizer is built.
      iou: The metric.
      strategy: The strategy that the network was built with.
      training_batches: Distributed batches of images and masks to train on.
      val_batches: Distributed batches of images and masks to validate on.
    """

    def __init__(
        self,
        network: keras.Model,
        iou: ClassIoU,
        strategy: tf.distribute.Strategy,
        training_batches: tf.data.Dataset | tf.distribute.DistributedDataset,
        val_batches: tf.data.Dataset | tf.distribute.DistributedDataset,
    ) -> None:
        self._network, self._iou, self._strategy = network, iou, strategy
        self._loss = keras.metrics.Mean("loss")
        # With an input signature, the smaller last batch does not cause retracing.
        self._train = tf.function(
            self._run(self._train_replica), [training_batches.element_spec], autograph=False
        )
        self._validate = tf.function(
            self._run(self._validate_replica), [val_batches.element_spec], autograph=False
        )

    def train(self, batch: _Batch) -> float:
        """Trains on a batch and returns the mean loss of the pass so far."""
        return float(self._train(batch))

    def validate(self, batch: _Batch) -> None:
        """Adds a batch to the scores without training on it."""
        self._validate(batch)

    def reset_scores(self) -> None:
        """Starts a new pass."""
        for metric in (self._loss, self._iou):
            metric.reset_state()

    def scores(self) -> dict[str, float]:
        """Returns the scores of the pass: `loss`, and those of `ClassIoU`."""
        scores = {"loss": self._loss.result(), **self._iou.result()}
        return {name: float(score) for name, score in scores.items()}

    def _run(self, step: Any) -> Any:
        def run(batch: _Batch) -> tf.Tensor:
            self._strategy.run(step, args=batch)
            return self._loss.result()

        return run

    def _train_replica(self, images: tf.Tensor, masks: tf.Tensor) -> None:
        weights, optimizer = self._network.trainable_variables, self._network.optimizer
        with tf.GradientTape() as tape:
            logits = self._network(images, training=True)
            loss = self._network.loss(masks, logits)
            # Loss scaling prevents underflow of float16 gradients.
            scaled_loss = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled_loss, weights), weights)
        self._add_scores(loss, masks, logits)

    def _validate_replica(self, images: tf.Tensor, masks: tf.Tensor) -> None:
        logits = self._network(images, training=False)
        self._add_scores(self._network.loss(masks, logits), masks, logits)

    def _add_scores(self, loss: tf.Tensor, masks: tf.Tensor, logits: tf.Tensor) -> None:
        # Keras has divided the loss by the number of replicas, so that the sum of the gradients is
        # the gradient of the mean loss. The displayed loss needs the original value.
        replicas = self._strategy.num_replicas_in_sync
        self._loss.update_state(loss * replicas, sample_weight=tf.shape(masks)[0])
        self._iou.update_state(masks, logits)
