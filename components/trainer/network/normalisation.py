"""Batch normalisation, as fast as TensorFlow has it."""

import keras
import tensorflow as tf
from keras import layers


class BatchNormalization(layers.BatchNormalization):
    """Keras' layer over the last axis, by one operation where it can be.

    Keras composes it of a dozen operations in float32, each of which reads and writes the whole
    tensor. TensorFlow's fused one (Ioffe and Szegedy 2015, in oneDNN) reads and writes the
    network's own dtype. It knows nothing of other devices, so several that learn together have
    Keras'; and so has a GPU, where XLA fuses what Keras composes.

    Args and weights are Keras'.

    Input and output shape: [batch, height, width, channels].
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises by the batch's statistics while it learns, else by the moving ones."""
        learns = bool(training and self.trainable)
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if (learns and several) or tf.config.list_logical_devices("GPU"):
            return super().call(inputs, training=training, mask=mask)
        zeros = tf.zeros_like(self.moving_mean)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            self.gamma if self.scale else zeros + 1,
            self.beta if self.center else zeros,
            mean=None if learns else self.moving_mean,
            variance=None if learns else self.moving_variance,
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            # It returns the unbiased variance; Keras keeps the one that the batch was divided by.
            count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
            variance *= tf.maximum(count - 1, 1) / count
            self.moving_mean.assign(_towards(self.moving_mean, mean, self.momentum))
            self.moving_variance.assign(_towards(self.moving_variance, variance, self.momentum))
        return outputs


def _towards(moving: keras.Variable, batch: tf.Tensor, momentum: float) -> tf.Tensor:
    return moving * momentum + batch * (1 - momentum)
