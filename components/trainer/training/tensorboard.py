"""Logs for TensorBoard: the network's graph, the scores of each epoch, and example predictions."""

import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from serving.overlay import overlay

_PANELS = 4  # number of images to show


class TensorBoard:
    """Writes the scores of each epoch, and four images of `val` with true and predicted masks.

    Args:
      network: The network that is trained, for its graph and its predictions.
      batches: Batches of images and masks of `val`; the first four images are shown.
      log_dir: Folder for the logs.
    """

    def __init__(self, network: keras.Model, batches: tf.data.Dataset, log_dir: str) -> None:
        self._network = network
        self._scalars = keras.callbacks.TensorBoard(log_dir)
        self._scalars.set_model(network)  # also writes the graph
        (self._images, self._masks), *_ = batches.take(1).as_numpy_iterator()
        self._images, self._masks = self._images[:_PANELS], self._masks[:_PANELS]
        self._writer = tf.summary.create_file_writer(os.path.join(log_dir, "validation"))

    def write(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Writes the scores and the example predictions of an epoch.

        Args:
          epoch: Number of the epoch, from 0.
          scores: Score name to value; a name with the prefix `val_` is a score on `val`, any other
            name is a score on `train`.
        """
        self._scalars.on_epoch_end(epoch, scores)
        predicted = np.argmax(self._network(self._images, training=False), axis=-1)
        images = self._images.round().astype(np.uint8)
        panels = [
            np.concatenate([image, overlay(image, truth), overlay(image, prediction)], axis=1)
            for image, truth, prediction in zip(images, self._masks, predicted, strict=True)
        ]
        with self._writer.as_default():
            tf.summary.image("image, truth, prediction", panels, epoch, max_outputs=_PANELS)
        self._writer.flush()

    def close(self) -> None:
        """Closes the log files."""
        self._scalars.on_train_end()
        self._writer.close()
