"""The Adam optimizer, implemented as one fused operation per weight tensor."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class Adam(keras.optimizers.Optimizer):
    """The Adam optimizer (Kingma and Ba 2015), implemented with TensorFlow's fused operation.

    Keras updates each weight tensor with about twenty operations, each of which reads and writes
    tensors as large as the weight tensor. The fused operation is faster, because it reads and
    writes each tensor only once.

    Args:
      learning_rate: The learning rate, which `learning_rate.assign` can change between steps.
    """

    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7

    def __init__(self, learning_rate: float = 0.0) -> None:
        super().__init__(learning_rate, name="adam")

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the two moment tensors of each weight tensor.

        This method must be called in the scope of the distribution strategy.
        """
        super().build(variables)
        self._moments = {}
        for variable in variables:
            moments = [
                self.add_variable_from_reference(variable, name=name)
                for name in ("momentum", "velocity")
            ]
            # With several devices, each call of `update_step` receives one device's copy of a
            # weight tensor. The moments are therefore stored under each copy.
            strategy = tf.distribute.get_strategy()
            for copy in strategy.experimental_local_results(variable.value):
                self._moments[copy.ref()] = moments

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
        """Updates a weight tensor and its two moment tensors on one device."""
        momentum, velocity = self._moments[variable.ref()]
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
