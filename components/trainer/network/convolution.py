"""A decoder convolution that avoids computing gradients for a frozen encoder."""

from typing import Any

import tensorflow as tf
from keras import layers

_Gradients = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class SkipConv2D(layers.Conv2D):
    """Convolves the concatenation of a skip and an up-sampled tensor; trains faster than Conv2D.

    By default, TensorFlow computes the gradient for the whole concatenation. With a frozen VGG
    encoder, at least half of this work is for the skip (an output of the encoder), whose gradient
    is not needed. This layer computes the gradients for the skip and for the up-sampled tensor
    separately, so that TensorFlow can leave out the former. The weights and the inference graph are
    the same as those of Keras' Conv2D.

    Args:
      filters: Number of output channels.
      kernel_size: Height and width of the kernel in pixels.
      **options: Options of Keras' Conv2D, except the strides and the dilation rate, which are
        always 1, and the padding, which is always `same`.

    Inputs: the concatenation [batch, height, width, skip channels + up channels], the skip [batch,
    height, width, skip channels] and the up-sampled tensor [batch, height, width, up channels].
    Output: [batch, height, width, filters].
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **options: Any) -> None:
        super().__init__(filters, kernel_size, padding="same", **options)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments, so that Keras can recreate the layer."""
        config: dict[str, Any] = super().get_config()
        for name in ("strides", "padding", "dilation_rate", "data_format", "groups"):
            del config[name]
        return config

    def call(
        self, inputs: tf.Tensor, skip: tf.Tensor, up: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Convolves `inputs`; in training, gradients go to `skip` and `up`, not to `inputs`."""
        if not training:
            return super().call(inputs)
        strides, padding = [1, 1, 1, 1], "SAME"
        inputs = tf.stop_gradient(inputs)

        @tf.custom_gradient
        def convolve(skip: tf.Tensor, up: tf.Tensor, kernel: tf.Tensor) -> Any:
            def back(gradient: tf.Tensor) -> _Gradients:
                def by(part: tf.Tensor, kernel_part: tf.Tensor) -> tf.Tensor:
                    return tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=tf.shape(part),
                        filter=kernel_part,
                        out_backprop=gradient,
                        strides=strides,
                        padding=padding,
                    )

                by_kernel = tf.raw_ops.Conv2DBackpropFilter(
                    input=inputs,
                    filter_sizes=tf.shape(kernel),
                    out_backprop=gradient,
                    strides=strides,
                    padding=padding,
                )
                channels = skip.shape[-1]
                by_skip, by_up = by(skip, kernel[:, :, :channels]), by(up, kernel[:, :, channels:])
                return by_skip, by_up, by_kernel

            return tf.nn.conv2d(inputs, kernel, strides, padding), back

        outputs = convolve(skip, up, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return self.activation(outputs)
