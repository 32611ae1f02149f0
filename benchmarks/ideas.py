"""Ideas for a faster training step, each measured against the step as it is.

    python -m benchmarks.ideas [--size 96] [--batch 4] [--steps 8]

The step is that of the reference's architecture (`decoder: notebook`) with a frozen encoder, on
random images. Every idea runs in a process of its own, and the step as it is first and last.
Machines are shared, so what counts is the processor time of an image; the clock's is beside it.
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
_UNTIMED = 2  # steps, in which graphs are traced and memory is found
AS_IT_IS = "as it is"
_Shape = tuple[Any, ...]


def main() -> None:
    """Runs every idea, and prints its time and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96, help="height and width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--idea", choices=_IDEAS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.idea:
        print(json.dumps(_IDEAS[arguments.idea](arguments)))
        return
    found = [(name, _elsewhere(name)) for name in (*_IDEAS, AS_IT_IS)]
    before = [times for name, times in found if name == AS_IT_IS]
    cpu, wall = (float(np.mean([times[kind] for times in before])) for kind in ("cpu", "wall"))
    print(
        f"{arguments.size}×{arguments.size} pixels, batch {arguments.batch}, {os.cpu_count()} cores"
    )
    print(f"{'':48}CPU s/image   faster   s/image   faster")
    for name, times in found:
        print(
            f"{name:48}{times['cpu']:11.3f}{cpu / times['cpu']:9.2f}"
            f"{times['wall']:10.3f}{wall / times['wall']:9.2f}"
        )


def _elsewhere(idea: str) -> dict[str, float]:
    with_onednn = "0" if "oneDNN" in idea else "1"
    told = ("--idea", idea, *sys.argv[1:])
    times: dict[str, float] = measure("benchmarks.ideas", *told, TF_ENABLE_ONEDNN_OPTS=with_onednn)
    return times


def _step(
    *,
    low_resolution: bool = False,
    batches: int = 1,
    threads: int = 0,
    precision: str = "float32",
    decoder: Literal["notebook", "unet"] = "notebook",
    composed: bool = False,
    many_passes: bool = False,
    after_concatenation: Callable[..., Any] | None = None,
) -> Callable[[argparse.Namespace], dict[str, float]]:
    """A training step with some of the ideas in it."""

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
        if composed:
            BatchNormalization.call = keras.layers.BatchNormalization.call  # type: ignore[method-assign]
        with dtype_policy(precision):
            network = build_network(ModelConfig(weights="none", decoder=decoder), CLASSES)
        loss = SegmentationLoss({"cross_entropy": 1.0}, [1.0] * CLASSES)
        adam = keras.optimizers.Adam if many_passes else Adam
        network.compile(adam(1e-4), loss, jit_compile=False)
        batch = arguments.batch * batches
        random = np.random.default_rng(0)
        images = random.uniform(0, 255, (batch, arguments.size, arguments.size, 3))
        masks = random.integers(0, CLASSES, images.shape[:3], np.uint8)
        images = images.astype(np.float32)
        return _time(lambda: network.train_on_batch(images, masks), batch, arguments.steps)

    return step


def _into_skips(layer: Any, inputs: Any, skip: Any, up: Any) -> Any:
    """As Keras has it: a gradient of the whole concatenation."""
    import keras

    return keras.layers.Conv2D.call(layer, inputs)


def _sum_of_two(layer: Any, inputs: Any, skip: Any, up: Any) -> Any:
    """A convolution of each part, so that none flows back into a frozen skip."""
    from keras import ops

    first, second = layer.kernel[:, :, : skip.shape[-1]], layer.kernel[:, :, skip.shape[-1] :]
    total = ops.conv(skip, first, padding="same") + ops.conv(up, second, padding="same")
    return layer.activation(total + layer.bias)


def _encoder_alone(arguments: argparse.Namespace) -> dict[str, float]:
    """What would be spared if the encoder's features of an image were kept."""
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
    """The reference's, each 2×2 convolution of what was scaled up computed before that."""
    from keras import layers

    from components.trainer.network.convolution import SkipConv2D
    from components.trainer.network.decoder import CHANNELS

    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    told = relu | {"padding": "same"}
    up_convolution = _up_sampling_convolution()

    def decode(skips: Sequence[Any], *options: float) -> Any:
        x = layers.MaxPooling2D()(skips[-1])
        for _ in range(2):
            x = layers.Conv2D(1024, 3, **told)(x)
        for block, (filters, skip) in enumerate(zip(CHANNELS, skips[::-1], strict=True), 1):
            x = up_convolution(filters, 2, **told)(x)
            x = SkipConv2D(filters, 3, **relu)(layers.Concatenate()([skip, x]), skip, x)
            x = layers.Conv2D(filters, 3, **told)(x)
            if block >= 4:
                x = layers.Conv2D(2, 3, **told)(x)
        return x

    return decode


def _up_sampling_convolution() -> Any:
    """A layer's class."""
    import tensorflow as tf
    from keras import layers, ops

    class UpSamplingConvolution(layers.Conv2D):
        """2× nearest up-sampling, then 2×2, as one 2×2 with four times the channels."""

        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            k, none = self.kernel, ops.zeros_like(self.kernel[0, 0])
            # An output pixel sees one, two or four different input pixels, by where it lies.
            phases = [
                [[k[0, 0] + k[0, 1] + k[1, 0] + k[1, 1], none], [none, none]],
                [[k[0, 0] + k[1, 0], k[0, 1] + k[1, 1]], [none, none]],
                [[k[0, 0] + k[0, 1], none], [k[1, 0] + k[1, 1], none]],
                [[k[0, 0], k[0, 1]], [k[1, 0], k[1, 1]]],
            ]
            kernel = ops.concatenate(
                [ops.stack([ops.stack(row) for row in phase]) for phase in phases], axis=-1
            )
            apart = tf.nn.depth_to_space(ops.conv(inputs, kernel, padding="same"), 2)
            return self.activation(apart + self.bias)

        def compute_output_shape(self, shape: _Shape) -> _Shape:
            height, width = (None if side is None else 2 * side for side in shape[1:3])
            return (shape[0], height, width, self.filters)

    return UpSamplingConvolution


_IDEAS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    AS_IT_IS: _step(),
    "without oneDNN": _step(),
    "gradients into frozen skips, too": _step(after_concatenation=_into_skips),
    "none, by the convolution as a sum of two": _step(after_concatenation=_sum_of_two),
    "up-sampling and 2×2 at low resolution": _step(low_resolution=True),
    "batch × 4, a quarter of the optimizer's passes": _step(batches=4),
    "one thread": _step(threads=1),
    "the encoder alone": _encoder_alone,
    "bfloat16": _step(precision="bfloat16"),
    "…, Adam as Keras composes it": _step(precision="bfloat16", many_passes=True),
    "…, gradients into frozen skips, too": _step(
        precision="bfloat16", after_concatenation=_into_skips
    ),
    "decoder: unet": _step(decoder="unet"),
    "…, normalised as Keras composes it": _step(decoder="unet", composed=True),
    "…, with gradients into frozen skips": _step(decoder="unet", after_concatenation=_into_skips),
    "decoder: unet, bfloat16": _step(decoder="unet", precision="bfloat16"),
    "…, bfloat16, as Keras composes it": _step(decoder="unet", precision="bfloat16", composed=True),
}


if __name__ == "__main__":
    main()
