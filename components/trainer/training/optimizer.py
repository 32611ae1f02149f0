"""The optimizer, as fast as TensorFlow has it."""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Keras' Adam (Kingma and Ba 2015), by one operation a weight.

    Keras composes the update of some twenty, each of which reads and writes as many numbers as the
    network has weights; TensorFlow's fused one passes over them once.

    Args:
      learning_rate: A number or a schedule.
    """

    def __init__(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> None:
        super().__init__(learning_rate)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
        """Updates a weight, in the replica that it lies in."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
