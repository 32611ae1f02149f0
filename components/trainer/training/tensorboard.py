"""Writes TensorBoard logs: the network's graph, the scores and example predictions."""

import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from serving.overlay import overlay

_PANELS = 4  # number of validation images to show


class TensorBoard:
    """Logs the scores of each epoch, and four `val` images with their true and predicted masks.

    Args:
      network: The network that is being trained; its graph and its predictions are logged.
      batches: Batches of images and masks from `val`; up to four images of the first batch are
        shown.
      log_dir: Folder for the logs.
    """

    def __init__(self, network: keras.Model, batches: tf.data.Dataset, log_dir: str) -> None:
        self._network = network
        self._scalars = keras.callbacks.TensorBoard(log_dir)
        self._scalars.set_model(network)  # also writes the network's graph
        (self._images, self._masks), *_ = batches.take(1).as_numpy_iterator()
        self._images, self._masks = self._images[:_PANELS], self._masks[:_PANELS]
        self._writer = tf.summary.create_file_writer(os.path.join(log_dir, "validation"))

    def write(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Writes the scores of an epoch, and the predictions for the example images.

        Args:
          epoch: Index of the epoch, starting at 0.
          scores: Scores of the epoch, by name. Names with the prefix `val_` are scores on `val`;
            all other names are scores on `train`.
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
