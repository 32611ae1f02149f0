"""Features of the frozen encoder, and short trainings of decoders on them, for some benchmarks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from components.trainer.config import ModelConfig
from components.trainer.network.decoder import unet_decoder
from components.trainer.network.encoder import build_encoder
from components.trainer.network.network import MULTIPLE
from components.trainer.training.losses import SegmentationLoss
from components.trainer.training.optimizer import Adam
from components.trainer.training.precision import set_precision

Features = Sequence[npt.NDArray[np.float16]]
"""The five skips of an image, [height / s, width / s, channels] each, the deepest one last. The
image is padded at the bottom and at the right."""
Decoder = Callable[[Features], npt.NDArray[np.float32]]
"""Function that returns the probabilities of an image, [height, width, classes], with the padding
of its features."""
_BATCH, _WINDOW, _GRID = 4, 96, 16
_WIDTH, _RATE = 0.25, 2e-3


def encode(images: Iterable[npt.NDArray[np.uint8]]) -> list[Features]:
    """Returns the features of RGB images, uint8 [height, width, 3]."""
    encoder = build_encoder(ModelConfig())
    set_precision(encoder, "auto")
    run = tf.function(lambda batch: encoder(batch, training=False))
    features: list[Features] = []
    for image in images:
        height, width = image.shape[:2]
        padding = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        skips = run(tf.constant(np.pad(image, padding)[np.newaxis], tf.float32))
        features.append([tf.cast(skip[0], tf.float16).numpy() for skip in skips])
    return features


def train_decoder(
    features: Sequence[Features],
    masks: Sequence[npt.NDArray[np.uint8]],
    classes: int,
    steps: int,
    seed: int,
) -> Decoder:
    """Trains the default decoder on windows of the features of whole images.

    Args:
      features: Features of the images.
      masks: Class ids, [height, width] each; at least 96 pixels on each side.
      classes: Number of classes.
      steps: Number of steps, each with four windows of 96×96 pixels.
      seed: Seed of the weights and of the windows.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    inputs = [keras.Input((None, None, skip.shape[-1])) for skip in features[0]]
    head = layers.Conv2D(classes, 1, kernel_initializer="he_normal", name="logits")
    network = keras.Model(inputs, head(unet_decoder(inputs, _WIDTH)))
    set_precision(network, "auto")
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=_RATE, warmup_steps=steps // 10
    )
    loss = SegmentationLoss({"cross_entropy": 1.0, "dice": 1.0}, [1.0] * classes)
    network.compile(Adam(rate), loss, jit_compile=False)
    for _ in range(steps):
        skips: list[list[Any]] = [[] for _ in inputs]
        ids = []
        for index in random.integers(len(masks), size=_BATCH).tolist():
            height, width = masks[index].shape
            top = _GRID * random.integers((height - _WINDOW) // _GRID + 1)
            left = _GRID * random.integers((width - _WINDOW) // _GRID + 1)
            ids.append(masks[index][top : top + _WINDOW, left : left + _WINDOW])
            for level, skip in enumerate(features[index]):
                y, x, side = top >> level, left >> level, _WINDOW >> level
                skips[level].append(skip[y : y + side, x : x + side])
        network.train_on_batch(
            [tf.constant(np.stack(windows), tf.float32) for windows in skips], np.stack(ids)
        )

    @tf.function(reduce_retracing=True)
    def run(skips: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(network(skips, training=False), tf.float32))

    def predict(skips: Features) -> npt.NDArray[np.float32]:
        return run([tf.constant(skip[np.newaxis], tf.float32) for skip in skips]).numpy()[0]

    return predict
