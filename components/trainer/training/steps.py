"""Training steps and validation steps, on all devices of a distribution strategy."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.training.metrics import ClassIoU

_Batch = Any  # (images, masks); with several devices, each has a tensor for every device


class Steps:
    """Runs training and validation steps, and computes the loss and the IoUs over a whole pass.

    An instance must be created in the scope of the distribution strategy.

    Args:
      network: The compiled network, with a built optimizer.
      iou: Metric that computes the IoUs over a pass.
      strategy: Distribution strategy in whose scope the network was built.
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
        # Without an input signature, the smaller last batch would cause a second tracing.
        self._train = tf.function(
            self._run(self._train_replica), [training_batches.element_spec], autograph=False
        )
        self._validate = tf.function(
            self._run(self._validate_replica), [val_batches.element_spec], autograph=False
        )

    def train(self, batch: _Batch) -> float:
        """Trains on a batch, and returns the mean loss of the batches since `reset_scores`."""
        return float(self._train(batch))

    def validate(self, batch: _Batch) -> None:
        """Adds the loss and the predictions of a batch to the scores, without training."""
        self._validate(batch)

    def reset_scores(self) -> None:
        """Resets the loss and the metric at the start of a pass over the data."""
        for metric in (self._loss, self._iou):
            metric.reset_state()

    def scores(self) -> dict[str, float]:
        """Returns the scores since `reset_scores`: the mean `loss` and the scores of `ClassIoU`."""
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
            # Loss scaling keeps float16 gradients from underflow.
            scaled_loss = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled_loss, weights), weights)
        self._add_scores(loss, masks, logits)

    def _validate_replica(self, images: tf.Tensor, masks: tf.Tensor) -> None:
        logits = self._network(images, training=False)
        self._add_scores(self._network.loss(masks, logits), masks, logits)

    def _add_scores(self, loss: tf.Tensor, masks: tf.Tensor, logits: tf.Tensor) -> None:
        # Keras has divided the loss by the number of replicas, so that the sum of the replicas'
        # gradients is the gradient of the mean loss. The scores need the undivided loss.
        replicas = self._strategy.num_replicas_in_sync
        self._loss.update_state(loss * replicas, sample_weight=tf.shape(masks)[0])
        self._iou.update_state(masks, logits)
