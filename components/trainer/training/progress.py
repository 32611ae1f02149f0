"""Training progress on standard output: a bar during each epoch, then a line with the scores."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from components.trainer.training.checkpoints import MONITOR
from components.trainer.training.collapse import COLLAPSED, has_collapsed
from data.progress import terminal_progress

_SCORES = {"loss": "loss", "val loss": "val_loss", "val mean IoU": MONITOR}
_COLLAPSED_EPOCHS = 2  # number of consecutive epochs with one predicted class before the warning


class Progress:
    """Prints a line for each epoch; on a terminal, also shows a progress bar during the epoch.

    Args:
      batches: Number of batches per epoch.
      epochs: Maximum number of epochs.
      shown: Whether to print; false in trials and on all workers except the chief.
    """

    def __init__(self, batches: int, epochs: int, *, shown: bool) -> None:
        self._batches, self._epochs, self._shown = batches, epochs, shown
        self._collapsed_epochs = 0

    @contextmanager
    def bar(self, epoch: int) -> Iterator[None]:
        """Shows the progress bar of an epoch until the context ends.

        Args:
          epoch: Number of the epoch, from 0.
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
          loss: Mean loss of the epoch so far.
        """
        self._bar.update(self._task, advance=1, loss=f"loss {loss:.3f}")

    def print_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Prints the scores of an epoch, and a warning if the network has collapsed for two epochs.

        Args:
          epoch: Number of the epoch, from 0.
          scores: Scores of the epoch: score name to value.
        """
        if not self._shown:
            return
        columns = "".join(f"   {title} {scores[name]:.3f}" for title, name in _SCORES.items())
        seconds = time.monotonic() - self._start
        print(f"  epoch {epoch + 1}/{self._epochs}{columns}   {seconds:.0f} s", flush=True)
        self._collapsed_epochs = self._collapsed_epochs + 1 if has_collapsed(scores) else 0
        if self._collapsed_epochs == _COLLAPSED_EPOCHS:
            print(f"  {COLLAPSED}", flush=True)
