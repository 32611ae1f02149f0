"""Features of the frozen encoder, for the benchmarks that train nothing but what follows it."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.config import ModelConfig
from components.trainer.network.encoder import build_encoder
from components.trainer.network.network import MULTIPLE
from components.trainer.training.precision import set_precision
from serving.config import Precision


def frozen_features(
    images: Iterable[npt.NDArray[np.uint8]], precision: Precision
) -> Iterator[list[tf.Tensor]]:
    """Yields the skips of each image, which is padded at the bottom and at the right.

    Args:
      images: RGB images, uint8 [height, width, 3].
      precision: Dtype in which the encoder computes.

    Yields:
      Five tensors [1, height / s, width / s, channels], the deepest one last.
    """
    encoder = build_encoder(ModelConfig())
    set_precision(encoder, precision)
    run = tf.function(lambda batch: encoder(batch, training=False))
    for image in images:
        height, width = image.shape[:2]
        padding = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        yield run(tf.constant(np.pad(image, padding)[np.newaxis], tf.float32))
