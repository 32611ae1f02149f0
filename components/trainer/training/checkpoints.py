"""Saves the weights of the last and the best epoch, and the scores of all epochs."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from components.trainer.network.network import changing_weights
from data.files.finding import is_file
from data.files.reading import read_bytes, read_text
from data.files.removing import remove_file
from data.files.writing import new_file, write_text

MONITOR = "val_mean_iou"
"""Name of the score that determines the best epoch: the mean IoU on `val`."""
_SCORES = "scores.json"


class Checkpoints:
    """Saves the last and the best epoch, so that training can resume after a crash.

    An epoch counts as completed only when all its files have been written. The file of the last
    epoch leaves out the weights of a frozen encoder, which are most weights of a network. Keras'
    own callbacks are not used: EarlyStopping loses its state when the process ends, and
    BackupAndRestore may leave a corrupt file when the process is killed.

    Attributes:
      history: Scores of each completed epoch, by name.
    """

    def __init__(self, folder: str, log_dir: str) -> None:
        """Reads the scores that an interrupted training run left in the folder, if there are any.

        Args:
          folder: Folder for the weights and scores.
          log_dir: Folder for `history.csv`, a table with the scores of all epochs.
        """
        self._folder, self._log_dir = folder, log_dir
        path = self._path(_SCORES)
        self.history: list[dict[str, float]] = json.loads(read_text(path)) if is_file(path) else []

    @property
    def val_scores(self) -> list[float]:
        """Mean IoU on `val` after each completed epoch, 0..1."""
        return [scores[MONITOR] for scores in self.history]

    @property
    def best(self) -> float:
        """Highest mean IoU on `val` of all completed epochs, 0..1."""
        return self.best_scores[MONITOR]

    @property
    def best_scores(self) -> dict[str, float]:
        """All scores of the best epoch, by name."""
        return self.history[self._best_epoch]

    def load_last(self, network: keras.Model) -> None:
        """Loads the weights and the optimizer state of the last completed epoch, if there is one.

        Args:
          network: The compiled network; its optimizer must already be built.
        """
        if self.history:
            _read(self._last(len(self.history) - 1), _state(network))

    def load_best(self, network: keras.Model) -> None:
        """Loads the weights of the best epoch into a network."""
        _read(self._best(self._best_epoch), network.weights)

    def save(self, network: keras.Model, scores: Mapping[str, float]) -> None:
        """Saves the weights and the scores of an epoch, and deletes outdated weights.

        Only the weights of the last and the best epoch remain in the folder.

        Args:
          network: The compiled network, with its weights at the end of the epoch.
          scores: Scores of the epoch, by name.
        """
        epoch = len(self.history)
        # With several devices, the learning rate is a distributed variable, which `float()`
        # rejects.
        learning_rate = float(tf.convert_to_tensor(network.optimizer.learning_rate))
        self.history.append({**scores, "learning_rate": learning_rate})
        if self._best_epoch == epoch:
            _write(self._best(epoch), network.weights)
        _write(self._last(epoch), _state(network))
        # Writing the history completes the epoch. If the process is killed before that, the resumed
        # training run repeats the epoch.
        write_text(self._path(_SCORES), json.dumps(self.history))
        for older in range(epoch):
            for path in (self._last(older), self._best(older)):
                if path != self._best(self._best_epoch):
                    remove_file(path)
        self._write_table()

    @property
    def _best_epoch(self) -> int:
        scores = self.val_scores
        return scores.index(max(scores)) if scores else 0

    def _write_table(self) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, ["epoch", *self.history[0]])
        table.writeheader()
        table.writerows({"epoch": i + 1} | scores for i, scores in enumerate(self.history))
        write_text(os.path.join(self._log_dir, "history.csv"), text.getvalue())

    def _last(self, epoch: int) -> str:
        return self._path(f"last-{epoch:05d}.npz")

    def _best(self, epoch: int) -> str:
        return self._path(f"best-{epoch:05d}.npz")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def _state(network: keras.Model) -> list[keras.Variable]:
    """Returns everything that training changes: weights, states of random numbers, and moments."""
    others = {id(variable) for variable in (*network.weights, *network.metrics_variables)}
    random = [variable for variable in network.variables if id(variable) not in others]
    return [*changing_weights(network), *random, *network.optimizer.variables]


def _write(path: str, variables: Iterable[keras.Variable]) -> None:
    with new_file(path) as file:
        np.savez(file, *(variable.numpy() for variable in variables))


def _read(path: str, variables: Iterable[keras.Variable]) -> None:
    with np.load(io.BytesIO(read_bytes(path))) as file:
        for variable, name in zip(variables, file.files, strict=True):
            variable.assign(file[name])
