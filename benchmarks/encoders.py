"""Lists every encoder: its skips, its size, and its speed relative to VGG16.

    python -m benchmarks.encoders [--size 224] [--batch 4] [--encoders vgg16 convnext_tiny]

With random weights, each encoder computes the skips of a batch, and a network with a narrow decoder
trains for one step, so that the list shows encoders that work. The output is a Markdown table. The
time is processor time for the skips of one image, in the fastest precision of this machine.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from components.trainer.config import ModelConfig
from components.trainer.network.network import build_network, split_network
from components.trainer.registry import ENCODERS
from components.trainer.training.losses import SegmentationLoss
from components.trainer.training.precision import dtype_policy

_TIMED = 3  # batches
_CLASSES = 2


def main() -> None:
    """Measures every encoder, and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224, help="height and width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=[*ENCODERS])
    arguments = parser.parse_args()
    print("| encoder | channels of the skips | million parameters | time / VGG16 |")
    print("|---|---|---|---|")
    reference = None
    for name in arguments.encoders:
        keras.utils.clear_session()
        with dtype_policy("auto"):
            network = build_network(ModelConfig(encoder=name, weights="none", width=0.02), _CLASSES)
        encoder = network.get_layer(name)
        images = _images(arguments.batch, arguments.size)
        seconds = _encoding_seconds(network, images)
        reference = reference or seconds
        _train_a_step(network, images)
        channels = ", ".join(str(skip.shape[-1]) for skip in encoder.outputs)
        print(
            f"| `{name}` | {channels} | {encoder.count_params() / 1e6:.1f} "
            f"| {seconds / reference:.2f} |",
            flush=True,
        )


def _images(batch: int, size: int) -> tf.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3))
    return tf.constant(pixels, tf.float32)


def _encoding_seconds(network: keras.Model, images: tf.Tensor) -> float:
    """Returns the processor time for the skips of a batch."""
    encoder, _ = split_network(network)
    encode = tf.function(lambda batch: encoder(batch, training=False), autograph=False)
    encode(images)
    start = time.process_time()
    for _ in range(_TIMED):
        encode(images)
    return (time.process_time() - start) / _TIMED


def _train_a_step(network: keras.Model, images: tf.Tensor) -> None:
    loss = SegmentationLoss({"cross_entropy": 1.0}, [1.0] * _CLASSES)
    network.compile("sgd", loss, jit_compile=False)
    masks = tf.cast(images[..., 0] > 127, tf.uint8)
    if not np.isfinite(network.train_on_batch(images, masks)):
        raise RuntimeError(f"{network.name}: the loss is not finite")


if __name__ == "__main__":
    main()
