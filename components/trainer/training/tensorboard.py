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
      network: The network that is being trained; its graph is logged.
      model: The network, or its decoder from `split_network`, which makes the predictions.
      batch: Inputs of the model and masks; up to four images are shown. The inputs are images, or,
        for a decoder, [images, *skips].
      log_dir: Folder for the logs.
    """

    def __init__(
        self,
        network: keras.Model,
        model: keras.Model,
        batch: tuple[tf.Tensor | list[tf.Tensor], tf.Tensor],
        log_dir: str,
    ) -> None:
        self._model = model
        self._scalars = keras.callbacks.TensorBoard(log_dir)
        self._scalars.set_model(network)  # also writes the network's graph
        inputs, masks = tf.nest.map_structure(lambda tensor: tensor[:_PANELS], batch)
        images = inputs[0] if isinstance(inputs, list) else inputs
        self._inputs, self._masks = inputs, masks.numpy()
        self._images = images.numpy().round().astype(np.uint8)
        self._writer = tf.summary.create_file_writer(os.path.join(log_dir, "validation"))

    def write(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Writes the scores of an epoch, and the predictions for the example images.

        Args:
          epoch: Index of the epoch, starting at 0.
          scores: Scores of the epoch, by name. Names with the prefix `val_` are scores on `val`;
            all other names are scores on `train`.
        """
        self._scalars.on_epoch_end(epoch, scores)
        predicted = np.argmax(self._model(self._inputs, training=False), axis=-1)
        panels = [
            np.concatenate([image, overlay(image, truth), overlay(image, prediction)], axis=1)
            for image, truth, prediction in zip(self._images, self._masks, predicted, strict=True)
        ]
        with self._writer.as_default():
            tf.summary.image("image, truth, prediction", panels, epoch, max_outputs=_PANELS)
        self._writer.flush()

    def close(self) -> None:
        """Closes the log files."""
        self._scalars.on_train_end()
        self._writer.close()
