"""Measures ideas for a faster training step against the unchanged step.

    python -m benchmarks.ideas [--size 96] [--batch 4] [--steps 8]

The step trains the reference architecture (`decoder: notebook`) with a frozen encoder on random
images. Every variant runs in its own process, the unchanged step first and last. The machine may be
shared, so compare the CPU time; the wall time is printed as well.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from benchmarks.fresh_process import measure

CLASSES = 3
_UNTIMED = 2  # first steps, which trace graphs and allocate memory
UNCHANGED = "unchanged"
_Shape = tuple[Any, ...]


def main() -> None:
    """Runs every variant, and prints its times and the speed relative to the unchanged step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96, help="height and width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--variant", choices=_VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        print(json.dumps(_VARIANTS[arguments.variant](arguments)))
        return
    results = [(name, _run(name)) for name in (*_VARIANTS, UNCHANGED)]
    before = [times for name, times in results if name == UNCHANGED]
    cpu, wall = (float(np.mean([times[kind] for times in before])) for kind in ("cpu", "wall"))
    print(
        f"{arguments.size}×{arguments.size} pixels, batch {arguments.batch}, {os.cpu_count()} cores"
    )
    print(f"{'':48}CPU s/image   faster   s/image   faster")
    for name, times in results:
        print(
            f"{name:48}{times['cpu']:11.3f}{cpu / times['cpu']:9.2f}"
            f"{times['wall']:10.3f}{wall / times['wall']:9.2f}"
        )


def _run(variant: str) -> dict[str, float]:
    with_onednn = "0" if "oneDNN" in variant else "1"
    arguments = ("--variant", variant, *sys.argv[1:])
    times: dict[str, float] = measure(
        "benchmarks.ideas", *arguments, TF_ENABLE_ONEDNN_OPTS=with_onednn
    )
    return times


def _step(
    *,
    low_resolution: bool = False,
    batches: int = 1,
    threads: int = 0,
    precision: str = "float32",
    decoder: Literal["notebook", "unet"] = "notebook",
    keras_normalisation: bool = False,
    keras_adam: bool = False,
    after_concatenation: Callable[..., Any] | None = None,
) -> Callable[[argparse.Namespace], dict[str, float]]:
    """Returns a function that measures a training step.

    Args:
      low_resolution: Whether to compute each convolution that follows an up-sampling before the
        up-sampling.
      batches: Factor for the batch size.
      threads: Number of threads of an operation; 0 for all cores.
      precision: Precision of the network.
      decoder: Name of the decoder.
      keras_normalisation: Whether to use the batch normalisation of Keras.
      keras_adam: Whether to use the Adam of Keras.
      after_concatenation: Function that replaces the convolution after a concatenation; None to
        keep the convolution.
    """

    def step(arguments: argparse.Namespace) -> dict[str, float]:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        import keras

        from components.trainer.config import ModelConfig
        from components.trainer.network import decoder as decoders
        from components.trainer.network.convolution import SkipConv2D
        from components.trainer.network.network import build_network
        from components.trainer.network.normalisation import BatchNormalization
        from components.trainer.registry import DECODERS
        from components.trainer.training.losses import SegmentationLoss
        from components.trainer.training.optimizer import Adam
        from components.trainer.training.precision import dtype_policy

        if low_resolution:
            setattr(decoders, DECODERS[decoder], _low_resolution_decoder())
        if after_concatenation:
            SkipConv2D.call = after_concatenation  # type: ignore[method-assign]
        if keras_normalisation:
            BatchNormalization.call = keras.layers.BatchNormalization.call  # type: ignore[method-assign]
        with dtype_policy(precision):
            network = build_network(ModelConfig(weights="none", decoder=decoder, width=1), CLASSES)
        loss = SegmentationLoss({"cross_entropy": 1.0}, [1.0] * CLASSES)
        adam = keras.optimizers.Adam if keras_adam else Adam
        network.compile(adam(1e-4), loss, jit_compile=False)
        batch = arguments.batch * batches
        random = np.random.default_rng(0)
        images = random.uniform(0, 255, (batch, arguments.size, arguments.size, 3))
        masks = random.integers(0, CLASSES, images.shape[:3], np.uint8)
        images = images.astype(np.float32)
        return _time(lambda: network.train_on_batch(images, masks), batch, arguments.steps)

    return step


def _whole_gradient(layer: Any, inputs: Any, skip: Any, up: Any) -> Any:
    """Convolves as Keras does, and computes the gradient of the whole concatenation."""
    import keras

    return keras.layers.Conv2D.call(layer, inputs)


def _sum_of_two(layer: Any, inputs: Any, skip: Any, up: Any) -> Any:
    """Convolves skip and up-sampled features separately, so that frozen skips get no gradient."""
    from keras import ops

    first, second = layer.kernel[:, :, : skip.shape[-1]], layer.kernel[:, :, skip.shape[-1] :]
    total = ops.conv(skip, first, padding="same") + ops.conv(up, second, padding="same")
    return layer.activation(total + layer.bias)


def _time_encoder(arguments: argparse.Namespace) -> dict[str, float]:
    """Measures the encoder alone, that is, the time that a cache of the features would save."""
    import tensorflow as tf

    from components.trainer.config import ModelConfig
    from components.trainer.network.encoder import build_encoder

    encoder = build_encoder(ModelConfig(weights="none"))
    run = tf.function(lambda images: encoder(images, training=False))
    images = tf.random.uniform([arguments.batch, arguments.size, arguments.size, 3], 0, 255)
    return _time(lambda: run(images)[-1].numpy(), arguments.batch, arguments.steps)


def _time(step: Callable[[], Any], images: int, steps: int) -> dict[str, float]:
    for _ in range(_UNTIMED):
        step()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        step()
    return {
        "cpu": (time.process_time() - cpu) / steps / images,
        "wall": (time.perf_counter() - wall) / steps / images,
    }


def _low_resolution_decoder() -> Callable[..., Any]:
    """Returns the reference decoder with each 2×2 convolution computed before its up-sampling."""
    from keras import layers

    from components.trainer.network.convolution import SkipConv2D
    from components.trainer.network.decoder import CHANNELS

    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    options = relu | {"padding": "same"}
    up_convolution = _up_sampling_convolution()

    def decode(skips: Sequence[Any], *_unused: float) -> Any:
        x = layers.MaxPooling2D()(skips[-1])
        for _ in range(2):
            x = layers.Conv2D(1024, 3, **options)(x)
        for block, (filters, skip) in enumerate(zip(CHANNELS, skips[::-1], strict=True), 1):
            x = up_convolution(filters, 2, **options)(x)
            x = SkipConv2D(filters, 3, **relu)(layers.Concatenate()([skip, x]), skip, x)
            x = layers.Conv2D(filters, 3, **options)(x)
            if block >= 4:
                x = layers.Conv2D(2, 3, **options)(x)
        return x

    return decode


def _up_sampling_convolution() -> Any:
    """Returns a layer class, which is defined in a function because Keras is imported late."""
    import tensorflow as tf
    from keras import layers, ops

    class UpSamplingConvolution(layers.Conv2D):
        """Nearest up-sampling by 2 and a 2×2 convolution, as one 2×2 convolution to 4× channels."""

        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            k, zero = self.kernel, ops.zeros_like(self.kernel[0, 0])
            # An output pixel depends on one, two or four input pixels, by its position.
            phases = [
                [[k[0, 0] + k[0, 1] + k[1, 0] + k[1, 1], zero], [zero, zero]],
                [[k[0, 0] + k[1, 0], k[0, 1] + k[1, 1]], [zero, zero]],
                [[k[0, 0] + k[0, 1], zero], [k[1, 0] + k[1, 1], zero]],
                [[k[0, 0], k[0, 1]], [k[1, 0], k[1, 1]]],
            ]
            kernel = ops.concatenate(
                [ops.stack([ops.stack(row) for row in phase]) for phase in phases], axis=-1
            )
            upsampled = tf.nn.depth_to_space(ops.conv(inputs, kernel, padding="same"), 2)
            return self.activation(upsampled + self.bias)

        def compute_output_shape(self, shape: _Shape) -> _Shape:
            height, width = (None if side is None else 2 * side for side in shape[1:3])
            return (shape[0], height, width, self.filters)

    return UpSamplingConvolution


_VARIANTS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    UNCHANGED: _step(),
    "without oneDNN": _step(),
    "gradients for frozen skips": _step(after_concatenation=_whole_gradient),
    "no such gradients, with two convolutions": _step(after_concatenation=_sum_of_two),
    "convolution before up-sampling": _step(low_resolution=True),
    "batch × 4, a quarter of the optimizer steps": _step(batches=4),
    "one thread": _step(threads=1),
    "only the encoder": _time_encoder,
    "bfloat16": _step(precision="bfloat16"),
    "…, Adam of Keras": _step(precision="bfloat16", keras_adam=True),
    "…, gradients for frozen skips": _step(
        precision="bfloat16", after_concatenation=_whole_gradient
    ),
    "decoder: unet": _step(decoder="unet"),
    "…, batch normalisation of Keras": _step(decoder="unet", keras_normalisation=True),
    "…, with gradients for frozen skips": _step(
        decoder="unet", after_concatenation=_whole_gradient
    ),
    "decoder: unet, bfloat16": _step(decoder="unet", precision="bfloat16"),
    "…, bfloat16, batch normalisation of Keras": _step(
        decoder="unet", precision="bfloat16", keras_normalisation=True
    ),
}


if __name__ == "__main__":
    main()
