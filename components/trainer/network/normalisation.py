"""Batch normalisation as a single fused operation on CPUs."""

import keras
import tensorflow as tf
from keras import layers


class BatchNormalization(layers.BatchNormalization):
    """Batch normalisation over the last axis (Ioffe and Szegedy 2015), fused on CPUs.

    Keras computes batch normalisation with a dozen float32 operations, each of which reads and
    writes the whole tensor. TensorFlow's fused operation (from oneDNN) is faster, because it is a
    single operation in the compute dtype of the network. The fused operation does not synchronise
    statistics across devices, so training on several devices uses Keras' operations. Machines with
    a GPU also use Keras' operations, because the fused operation has not been measured on GPUs.

    The constructor arguments and the weights are the same as those of Keras' BatchNormalization.

    Input and output shape: [batch, height, width, channels].
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises with batch statistics in training, otherwise with moving statistics.

        A frozen layer uses the moving statistics in training, too.
        """
        uses_batch = bool(training and self.trainable)
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if (uses_batch and several) or tf.config.list_logical_devices("GPU"):
            return super().call(inputs, training=training, mask=mask)
        zeros = tf.zeros_like(self.moving_mean)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            self.gamma if self.scale else zeros + 1,
            self.beta if self.center else zeros,
            mean=None if uses_batch else self.moving_mean,
            variance=None if uses_batch else self.moving_variance,
            epsilon=self.epsilon,
            is_training=uses_batch,
        )
        if uses_batch:
            # The fused operation returns the unbiased variance, but Keras' moving variance is based
            # on the biased variance. The result is therefore converted.
            count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
            variance *= tf.maximum(count - 1, 1) / count
            self.moving_mean.assign(_towards(self.moving_mean, mean, self.momentum))
            self.moving_variance.assign(_towards(self.moving_variance, variance, self.momentum))
        return outputs


def _towards(moving: keras.Variable, batch: tf.Tensor, momentum: float) -> tf.Tensor:
    return moving * momentum + batch * (1 - momentum)
