"""What happens between the batches and the epochs of a training."""

import csv
import io
import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import rich.progress
import tensorflow as tf
from rich.console import Console

from data.files import is_file, new_file, read_text
from data.progress import terminal_progress
from serving.overlay import overlay

MONITOR = "val_mean_iou"
"""What says which epoch is the best one."""
_PANELS = 4  # images
_COLLAPSED_EPOCHS = 2  # in a row, before it is said


class Checkpoints(keras.callbacks.Callback):
    """Keeps the last and the best epoch's weights, and stops when there is no better one for long.

    All it knows lies in files, so that an interrupted training goes on as if it had not been:
    Keras' own EarlyStopping forgets, and its BackupAndRestore may be caught in the act of writing.

    Attributes:
      history: The scores of each complete epoch, by the names that Keras gives them.
    """

    def __init__(self, folder: str, log_dir: str, patience: int) -> None:
        """Reads what an interrupted training has left.

        Args:
          folder: For the weights and the history.
          log_dir: Where the history is also written as a table, `history.csv`.
          patience: Epochs without a better one before training stops.
        """
        super().__init__()
        self._folder, self._log_dir, self._patience = folder, log_dir, patience
        path = self._path("history.json")
        self.history: list[dict[str, float]] = json.loads(read_text(path)) if is_file(path) else []

    @property
    def best(self) -> float:
        """The best epoch's score."""
        return self.best_scores[MONITOR]

    @property
    def best_scores(self) -> dict[str, float]:
        """All scores of the best epoch."""
        return self.history[self._best_epoch]

    @property
    def exhausted(self) -> bool:
        """Whether there was no better epoch for long."""
        return len(self.history) - 1 - self._best_epoch >= self._patience

    def take_up(self) -> None:
        """Gives a built network the last complete epoch's weights, its optimizer included."""
        if self.history:
            self.model.load_weights(self._last(len(self.history) - 1))

    def restore(self) -> None:
        """Gives the network the best epoch's weights."""
        with np.load(self._best(self._best_epoch)) as file:
            self.model.set_weights([file[name] for name in file.files])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keeps the weights, and what an interrupted training needs."""
        scores = {name: float(value) for name, value in (logs or {}).items()}
        # With several devices it is a variable on each of them, which float() does not take.
        scores["learning_rate"] = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        self.history.append(scores)
        if self._best_epoch == epoch:
            with new_file(self._best(epoch)) as file:
                np.savez(file, *self.model.get_weights())
        self.model.save_weights(self._last(epoch))
        # From here on, the epoch is complete; until here, the one before was the last.
        with new_file(self._path("history.json")) as file:
            file.write(json.dumps(self.history).encode())
        for older in range(epoch):
            for path in (self._last(older), self._best(older)):
                if path != self._best(self._best_epoch) and tf.io.gfile.exists(path):
                    tf.io.gfile.remove(path)
        self._write_table()
        if self.exhausted:
            self.model.stop_training = True

    @property
    def _best_epoch(self) -> int:
        scores = [scores[MONITOR] for scores in self.history]
        return scores.index(max(scores)) if scores else 0

    def _write_table(self) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, ["epoch", *self.history[0]])
        table.writeheader()
        table.writerows({"epoch": i + 1} | scores for i, scores in enumerate(self.history))
        with new_file(os.path.join(self._log_dir, "history.csv")) as file:
            file.write(text.getvalue().encode())

    def _last(self, epoch: int) -> str:
        return self._path(f"last-{epoch:05d}.weights.h5")

    def _best(self, epoch: int) -> str:
        return self._path(f"best-{epoch:05d}.npz")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


class NonFiniteLossError(Exception):
    """The loss is no number.

    Attributes:
      epoch: From 0.
      batch: From 0.
    """

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__(f"the loss is no number in batch {batch} of epoch {epoch}")
        self.epoch, self.batch = epoch, batch


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Raises NonFiniteLossError after the first batch whose loss is no number."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the loss, which is the mean of the epoch's so far."""
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise NonFiniteLossError(self._epoch, batch)


class TellCollapse(keras.callbacks.Callback):
    """Says so when the network predicts only one class over `val`, two epochs in a row."""

    def __init__(self) -> None:
        super().__init__()
        self._epochs = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Counts."""
        self._epochs = self._epochs + 1 if has_collapsed(logs or {}) else 0
        if self._epochs == _COLLAPSED_EPOCHS:
            print(f"  {COLLAPSED}", flush=True)


COLLAPSED = (
    "The network predicts one class only. Lower training.learning_rate, raise "
    "training.warmup_epochs, or take model.decoder: unet."
)


def has_collapsed(scores: Mapping[str, float]) -> bool:
    """Returns whether, of several classes in the masks of `val`, the network predicts only one."""
    return scores["val_predicted_classes"] == 1 and scores["val_true_classes"] > 1


class Panels(keras.callbacks.Callback):
    """Shows TensorBoard some images of `val` after each epoch: truth, and prediction beside it."""

    def __init__(self, batches: tf.data.Dataset, log_dir: str) -> None:
        """Takes the images.

        Args:
          batches: Of images and masks; the first ones of the first batch are shown.
          log_dir: TensorBoard's.
        """
        super().__init__()
        (self._images, self._masks), *_ = batches.take(1).as_numpy_iterator()
        self._images, self._masks = self._images[:_PANELS], self._masks[:_PANELS]
        self._writer = tf.summary.create_file_writer(os.path.join(log_dir, "validation"))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Predicts, and draws."""
        predicted = np.argmax(self.model(self._images, training=False), axis=-1)
        images = self._images.round().astype(np.uint8)
        panels = [
            np.concatenate([image, overlay(image, truth), overlay(image, guess)], axis=1)
            for image, truth, guess in zip(images, self._masks, predicted, strict=True)
        ]
        with self._writer.as_default():
            tf.summary.image("image, truth, prediction", panels, epoch, max_outputs=_PANELS)
        self._writer.flush()


class Progress(keras.callbacks.Callback):
    """Prints a line an epoch, and on a terminal a bar while it lasts."""

    def __init__(self, steps: int, epochs: int) -> None:
        """Takes what is ahead.

        Args:
          steps: Batches an epoch.
          epochs: Most epochs.
        """
        super().__init__()
        self._steps, self._epochs = steps, epochs

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Starts the clock and the bar."""
        self._began = time.monotonic()
        self._bar = terminal_progress(
            Console(),
            rich.progress.TextColumn("  {task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[loss]}"),
        )
        name = f"epoch {epoch + 1}/{self._epochs}"
        self._task = self._bar.add_task(name, total=self._steps, loss="")
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Moves the bar."""
        loss = f"loss {(logs or {}).get('loss', math.nan):.3f}"
        self._bar.update(self._task, completed=batch + 1, loss=loss)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Puts the line in place of the bar."""
        self._bar.stop()
        logs = logs or {}
        scores = {"loss": "loss", "val loss": "val_loss", "val mean IoU": MONITOR}
        shown = "".join(f"   {title} {logs[name]:.3f}" for title, name in scores.items())
        seconds = time.monotonic() - self._began
        print(f"  epoch {epoch + 1}/{self._epochs}{shown}   {seconds:.0f} s", flush=True)
