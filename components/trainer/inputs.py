"""The input pipeline: from TFRecords to batches of views."""

from collections.abc import Sequence

import tensorflow as tf

from data.config import ResizeView
from data.examples import parse_pair
from data.views import view_image, view_mask

_SHUFFLE_BUFFER = 1024  # serialized examples: some 100 MB of 224-pixel tiles


def read_batches(
    patterns: Sequence[str], view: ResizeView, batch_size: int, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    """Reads examples as batches for the network.

    Args:
      patterns: Of gzipped TFRecord files.
      view: What the network sees of an image.
      batch_size: Images a batch; the last one may be smaller.
      shuffle_seed: Of the order, which differs from pass to pass; None keeps the files' order.

    Returns:
      Batches of float32 images [batch, height, width, 3] in 0..255 and uint8 masks [batch, height,
      width].
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    examples = tf.data.TFRecordDataset(files, compression_type="GZIP")
    if shuffle_seed is not None:
        examples = examples.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed)

    def to_view(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, class_ids = parse_pair(serialized)
        return view_image(image, view), view_mask(class_ids, view)

    return (
        examples.map(to_view, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
