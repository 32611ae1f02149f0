"""Runs training and validation steps on all devices of a distribution strategy."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.training.metrics import ClassIoU

_Batch = Any  # (images, masks); with several devices, each element holds one tensor per device


class Steps:
    """Runs training and validation steps, and accumulates the scores of each pass over the data.

    Instances must be created in the scope of the distribution strategy, because they create
    variables for the mean loss.

    Args:
      network: The compiled network; its optimizer must already be built.
      iou: Metric that computes the IoU of each class.
      strategy: The distribution strategy in whose scope the network was built.
      training_batches: Distributed dataset of (images, masks) batches for training; only its
        element spec is used.
      val_batches: Distributed dataset of (images, masks) batches for validation; only its element
        spec is used.
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
        # Without an input signature, TensorFlow would trace each function again for the last batch,
        # which may be smaller.
        self._train = tf.function(
            self._run(self._train_replica), [training_batches.element_spec], autograph=False
        )
        self._validate = tf.function(
            self._run(self._validate_replica), [val_batches.element_spec], autograph=False
        )

    def train(self, batch: _Batch) -> float:
        """Trains on a batch, and returns the mean loss since `reset_scores` was last called."""
        return float(self._train(batch))

    def validate(self, batch: _Batch) -> None:
        """Adds the loss and the predictions of a validation batch to the scores."""
        self._validate(batch)

    def reset_scores(self) -> None:
        """Resets the loss and the IoU metric. Call this before each pass over the data."""
        for metric in (self._loss, self._iou):
            metric.reset_state()

    def scores(self) -> dict[str, float]:
        """Returns the mean `loss` and the `ClassIoU` scores since the last reset."""
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
            # Loss scaling keeps float16 gradients from underflowing.
            scaled_loss = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled_loss, weights), weights)
        self._add_scores(loss, masks, logits)

    def _validate_replica(self, images: tf.Tensor, masks: tf.Tensor) -> None:
        logits = self._network(images, training=False)
        self._add_scores(self._network.loss(masks, logits), masks, logits)

    def _add_scores(self, loss: tf.Tensor, masks: tf.Tensor, logits: tf.Tensor) -> None:
        # Keras has divided the loss by the number of replicas, so that the sum of the replicas'
        # gradients is the gradient of the mean loss. The scores must not depend on the number of
        # replicas, so the division is undone.
        replicas = self._strategy.num_replicas_in_sync
        self._loss.update_state(loss * replicas, sample_weight=tf.shape(masks)[0])
        self._iou.update_state(masks, logits)
