"""The Adam optimizer, implemented as one fused operation per weight tensor."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class Adam(keras.optimizers.Optimizer):
    """The Adam optimizer (Kingma and Ba 2015), implemented with TensorFlow's fused operation.

    Keras updates each weight tensor with about twenty operations, each of which reads and writes
    tensors as large as the weight tensor. The fused operation is faster, because it reads and
    writes each tensor only once.

    The optimizer can also keep an exponential moving average (EMA) of the weights, which is usually
    a better model than the weights of the last step. The first steps use a smaller momentum, so
    that the initial weights are soon forgotten.

    Args:
      learning_rate: The learning rate, which `learning_rate.assign` can change between steps.
      ema_momentum: Momentum of the moving average, 0 to below 1; 0 for no average.
      averaged: The weights and moving statistics to average.
    """

    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7

    def __init__(
        self,
        learning_rate: float = 0.0,
        *,
        ema_momentum: float = 0.0,
        averaged: Sequence[keras.Variable] = (),
    ) -> None:
        super().__init__(learning_rate, name="adam")
        self._momentum = ema_momentum
        self._averaged = list(averaged) if ema_momentum else []
        self._averages: list[tuple[keras.Variable, keras.Variable]] = []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the two moment tensors of each weight tensor, and the moving averages.

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
        for weight in self._averaged:
            # As variables of the optimizer, the averages are saved with it.
            average = self.add_variable_from_reference(weight, name="average")
            average.assign(weight)
            self._averages.append((average, weight))

    def update_averages(self) -> None:
        """Moves the averages towards the weights; call this after each step, on all devices."""
        steps = tf.cast(self.iterations.value, tf.float32)
        momentum = tf.minimum(self._momentum, (1 + steps) / (10 + steps))
        for average, weight in self._averages:
            average.value.assign(average.value * momentum + weight.value * (1 - momentum))

    def swap_averages(self) -> None:
        """Exchanges the weights of the network and their averages."""
        for average, weight in self._averages:
            weights = tf.identity(weight.value)
            weight.assign(average.value)
            average.assign(weights)

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


def adam_of(network: keras.Model) -> Adam:
    """Returns the optimizer of a compiled network, without Keras' wrapper for float16."""
    optimizer = network.optimizer
    return getattr(optimizer, "inner_optimizer", optimizer)
