"""Convolution after a concatenation, without the gradients that nobody asks for."""

from typing import Any

import tensorflow as tf
from keras import layers

_Gradients = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class SkipConv2D(layers.Conv2D):
    """Keras' layer on the concatenation of a skip and of what comes from below.

    TensorFlow computes the gradient of the concatenation as one, and then throws the skip's part
    away where the encoder is frozen: half of the operation, and more. Here the parts have theirs
    apart, so that a graph leaves out the one that nothing learns from. All else, the weights and
    the graph that is served included, is Keras'.

    Args:
      filters: Channels of the output.
      kernel_size: Height and width of the kernel.
      **options: Of Keras' layer; strides and dilation stay 1 and the padding `same`.

    Input shape: [batch, height, width, of skip + of up], the concatenation, and its two parts.
    Output shape: [batch, height, width, filters].
    """

    def __init__(self, filters: int, kernel_size: int, **options: Any) -> None:
        super().__init__(filters, kernel_size, padding="same", **options)

    def call(
        self, inputs: tf.Tensor, skip: tf.Tensor, up: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Convolves `inputs`; what it sends back goes to `skip` and `up`."""
        if not training:
            return super().call(inputs)
        strides, padding = [1, 1, 1, 1], "SAME"
        inputs = tf.stop_gradient(inputs)

        @tf.custom_gradient
        def convolve(skip: tf.Tensor, up: tf.Tensor, kernel: tf.Tensor) -> Any:
            def back(gradient: tf.Tensor) -> _Gradients:
                def to(part: tf.Tensor, of_kernel: tf.Tensor) -> tf.Tensor:
                    return tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=tf.shape(part),
                        filter=of_kernel,
                        out_backprop=gradient,
                        strides=strides,
                        padding=padding,
                    )

                to_kernel = tf.raw_ops.Conv2DBackpropFilter(
                    input=inputs,
                    filter_sizes=tf.shape(kernel),
                    out_backprop=gradient,
                    strides=strides,
                    padding=padding,
                )
                of_skip = skip.shape[-1]
                return to(skip, kernel[:, :, :of_skip]), to(up, kernel[:, :, of_skip:]), to_kernel

            return tf.nn.conv2d(inputs, kernel, strides, padding), back

        outputs = convolve(skip, up, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return self.activation(outputs)
