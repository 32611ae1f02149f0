"""Runs training and validation steps on all devices of a distribution strategy."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import adam_of

# (images, masks) or ([images, *skips], masks); with several devices, one tensor per device
_Batch = Any


class Steps:
    """Runs training and validation steps, and accumulates the scores of each pass over the data.

    Instances must be created in the scope of the distribution strategy, because they create
    variables for the mean loss.

    Args:
      network: The compiled network; its optimizer must already be built.
      iou: Metric that computes the IoU of each class.
      strategy: The distribution strategy in whose scope the network was built.
      decoder: Model that maps [images, *skips] to logits, from `split_network`; used for batches
        that contain skips; None if there are no such batches.
      val_spec: Type of the batches for validation, (images, masks) or ([images, *skips], masks),
        whose number of images may vary.
    """

    def __init__(
        self,
        network: keras.Model,
        iou: ClassIoU,
        strategy: tf.distribute.Strategy,
        decoder: keras.Model | None,
        val_spec: Any,
    ) -> None:
        self._network, self._decoder = network, decoder or network
        self._iou, self._strategy = iou, strategy
        self._loss = keras.metrics.Mean("loss")
        train = self._run(self._train_replica)

        def train_and_average(batch: _Batch) -> tf.Tensor:
            loss = train(batch)
            adam_of(network).update_averages()
            return loss

        self._train = tf.function(train_and_average, autograph=False)
        # Without an input signature, TensorFlow would trace the function again for the last batch,
        # which may be smaller.
        validate = self._run(self._validate_replica)
        self._validate = tf.function(validate, [val_spec], autograph=False)

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

    def _train_replica(self, inputs: tf.Tensor | list[tf.Tensor], masks: tf.Tensor) -> None:
        weights, optimizer = self._network.trainable_variables, self._network.optimizer
        with tf.GradientTape() as tape:
            logits = self._logits(inputs, training=True)
            loss = self._network.loss(masks, logits)
            # Loss scaling keeps float16 gradients from underflowing.
            scaled_loss = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled_loss, weights), weights)
        self._add_scores(loss, masks, logits)

    def _validate_replica(self, inputs: tf.Tensor | list[tf.Tensor], masks: tf.Tensor) -> None:
        logits = self._logits(inputs, training=False)
        self._add_scores(self._network.loss(masks, logits), masks, logits)

    def _logits(self, inputs: tf.Tensor | list[tf.Tensor], *, training: bool) -> tf.Tensor:
        model = self._decoder if isinstance(inputs, list) else self._network
        return model(inputs, training=training)

    def _add_scores(self, loss: tf.Tensor, masks: tf.Tensor, logits: tf.Tensor) -> None:
        # Keras has divided the loss by the number of replicas, so that the sum of the replicas'
        # gradients is the gradient of the mean loss. The scores must not depend on the number of
        # replicas, so the division is undone.
        replicas = self._strategy.num_replicas_in_sync
        self._loss.update_state(loss * replicas, sample_weight=tf.shape(masks)[0])
        self._iou.update_state(masks, logits)
