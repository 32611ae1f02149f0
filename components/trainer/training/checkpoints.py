"""Checkpoints: the weights of the last and of the best epoch, and the scores of all epochs."""

import csv
import io
import json
import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from data.files import is_file, new_file, read_bytes, read_text, remove_file, write_text

MONITOR = "val_mean_iou"
"""Name of the score that is highest in the best epoch: the mean IoU on `val`."""


class Checkpoints:
    """Keeps the last and the best epoch of a training, so that training can resume after a crash.

    The whole state is in files, each of which is complete or absent. Keras' EarlyStopping loses its
    state when the process ends, and Keras' BackupAndRestore may be killed while it writes a file.

    Attributes:
      history: Scores of each complete epoch: score name to value.
    """

    def __init__(self, folder: str, log_dir: str, patience: int) -> None:
        """Reads the scores of an interrupted training, if the folder has any.

        Args:
          folder: Folder for the weights and scores.
          log_dir: Folder for history.csv, the table of the scores of all epochs.
          patience: Number of epochs without a better mean IoU on `val` before training stops.
        """
        self._folder, self._log_dir, self._patience = folder, log_dir, patience
        path = self._path("history.json")
        self.history: list[dict[str, float]] = json.loads(read_text(path)) if is_file(path) else []

    @property
    def best(self) -> float:
        """Mean IoU on `val` of the best epoch, 0..1."""
        return self.best_scores[MONITOR]

    @property
    def best_scores(self) -> dict[str, float]:
        """All scores of the best epoch."""
        return self.history[self._best_epoch]

    @property
    def exhausted(self) -> bool:
        """Whether the mean IoU on `val` has not improved in the last `patience` epochs."""
        return len(self.history) - 1 - self._best_epoch >= self._patience

    def load_last(self, network: keras.Model) -> None:
        """Loads the weights and the optimizer's state of the last complete epoch, if there is one.

        Args:
          network: Compiled network to load into; its optimizer is built.
        """
        if self.history:
            network.load_weights(self._last(len(self.history) - 1))

    def load_best(self, network: keras.Model) -> None:
        """Loads the weights of the best epoch into a network."""
        with np.load(io.BytesIO(read_bytes(self._best(self._best_epoch)))) as file:
            network.set_weights([file[name] for name in file.files])

    def save(self, network: keras.Model, scores: Mapping[str, float]) -> None:
        """Saves an epoch, and removes the files of epochs that are neither the last nor the best.

        Args:
          network: The compiled network with the weights of this epoch.
          scores: Scores of the epoch: score name to value.
        """
        epoch = len(self.history)
        # With several devices, the learning rate is a distributed variable, which float() rejects.
        learning_rate = float(tf.convert_to_tensor(network.optimizer.learning_rate))
        self.history.append({**scores, "learning_rate": learning_rate})
        if self._best_epoch == epoch:
            with new_file(self._best(epoch)) as file:
                np.savez(file, *network.get_weights())
        network.save_weights(self._last(epoch))
        # An epoch is complete when the history is written; if the process is killed before, the
        # resumed training repeats the epoch.
        write_text(self._path("history.json"), json.dumps(self.history))
        for older in range(epoch):
            for path in (self._last(older), self._best(older)):
                if path != self._best(self._best_epoch):
                    remove_file(path)
        self._write_table()

    @property
    def _best_epoch(self) -> int:
        scores = [scores[MONITOR] for scores in self.history]
        return scores.index(max(scores)) if scores else 0

    def _write_table(self) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, ["epoch", *self.history[0]])
        table.writeheader()
        table.writerows({"epoch": i + 1} | scores for i, scores in enumerate(self.history))
        write_text(os.path.join(self._log_dir, "history.csv"), text.getvalue())

    def _last(self, epoch: int) -> str:
        return self._path(f"last-{epoch:05d}.weights.h5")

    def _best(self, epoch: int) -> str:
        return self._path(f"best-{epoch:05d}.npz")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)
