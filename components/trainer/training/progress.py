"""Shows training progress: a progress bar during each epoch, then a line with the scores."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from components.trainer.training.checkpoints import MONITOR
from components.trainer.training.collapse import COLLAPSED, has_collapsed
from data.progress import terminal_progress

_SCORES = {"loss": "loss", "val loss": "val_loss", "val mean IoU": MONITOR}
_COLLAPSED_EPOCHS = 2  # consecutive collapsed epochs after which a warning is printed


class Progress:
    """Prints a line after each epoch and, on a terminal, shows a progress bar during the epoch.

    Args:
      batches: Number of batches per epoch.
      epochs: Maximum number of epochs.
      shown: Whether to print anything; False in the trials of a hyperparameter search and on every
        worker except the chief.
    """

    def __init__(self, batches: int, epochs: int, *, shown: bool) -> None:
        self._batches, self._epochs, self._shown = batches, epochs, shown
        self._collapsed_epochs = 0

    @contextmanager
    def bar(self, epoch: int) -> Iterator[None]:
        """Shows the progress bar of an epoch while the `with` block runs.

        Args:
          epoch: Index of the epoch, starting at 0.
        """
        self._start = time.monotonic()
        self._bar = terminal_progress(
            Console(),
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not self._shown,
        )
        name = f"epoch {epoch + 1}/{self._epochs}"
        self._task = self._bar.add_task(name, total=self._batches, loss="")
        with self._bar:
            yield

    def advance(self, loss: float) -> None:
        """Moves the progress bar forward by one batch.

        Args:
          loss: Mean loss over the epoch so far, which is shown next to the bar.
        """
        self._bar.update(self._task, advance=1, loss=f"loss {loss:.3f}")

    def print_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Prints the scores of an epoch, and a warning after two collapsed epochs in a row.

        A collapsed network predicts the same class for every pixel (see `has_collapsed`).

        Args:
          epoch: Index of the epoch, starting at 0.
          scores: Scores of the epoch, by name, such as `loss` and `val_loss`.
        """
        if not self._shown:
            return
        columns = "".join(f"   {title} {scores[name]:.3f}" for title, name in _SCORES.items())
        seconds = time.monotonic() - self._start
        print(f"  epoch {epoch + 1}/{self._epochs}{columns}   {seconds:.0f} s", flush=True)
        self._collapsed_epochs = self._collapsed_epochs + 1 if has_collapsed(scores) else 0
        if self._collapsed_epochs == _COLLAPSED_EPOCHS:
            print(f"  {COLLAPSED}", flush=True)
