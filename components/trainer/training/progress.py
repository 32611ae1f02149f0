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
_UNTIMED_STEPS = 3  # first steps, which trace graphs
_TIMED_STEPS = 8  # steps from whose time the time of all epochs is estimated
_COLLAPSED_EPOCHS = 2  # consecutive collapsed epochs after which a warning is printed


class Progress:
    """Prints a line after each epoch and, on a terminal, shows a progress bar during the epoch.

    Args:
      batches: Number of batches per epoch.
      shown: Whether to print anything; False in the trials of a hyperparameter search and on every
        worker except the chief.
    """

    def __init__(self, batches: int, *, shown: bool) -> None:
        self._batches, self._shown = batches, shown
        self._collapsed_epochs = 0
        self._steps = 0  # number of completed training steps of this process

    @contextmanager
    def bar(self, epoch: int, epochs: int | None) -> Iterator[None]:
        """Shows the progress bar of an epoch while the `with` block runs.

        Args:
          epoch: Index of the epoch, starting at 0.
          epochs: Total number of epochs; None if it is not known yet.
        """
        self._start = time.monotonic()
        self._epochs_left = None if epochs is None else epochs - epoch
        self._bar = terminal_progress(
            Console(),
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not self._shown,
        )
        self._name = f"epoch {epoch + 1}" + (f"/{epochs}" if epochs else "")
        self._task = self._bar.add_task(self._name, total=self._batches, loss="")
        with self._bar:
            yield

    def advance(self, loss: float) -> None:
        """Moves the progress bar forward by one batch.

        Args:
          loss: Mean loss over the epoch so far, which is shown next to the bar.
        """
        self._bar.update(self._task, advance=1, loss=f"loss {loss:.3f}")
        self._steps += 1
        if self._steps == _UNTIMED_STEPS:
            self._timed_from = time.monotonic()
        elif self._steps == _UNTIMED_STEPS + _TIMED_STEPS and self._shown:
            self._print_estimate((time.monotonic() - self._timed_from) / _TIMED_STEPS)

    def _print_estimate(self, seconds_per_step: float) -> None:
        seconds = seconds_per_step * self._batches
        text = f"{self._batches} training steps per epoch, which take {_about(seconds)}"
        if self._epochs_left is None:
            text += ". Training ends when val mean IoU has settled."
        else:
            text += f"; {_about(seconds * self._epochs_left)} in all."
        self._bar.console.print(f"  {text}", highlight=False, soft_wrap=True)

    def print_epoch(self, scores: Mapping[str, float]) -> None:
        """Prints the scores of an epoch, and a warning after two collapsed epochs in a row.

        A collapsed network predicts the same class for every pixel (see `has_collapsed`).

        Args:
          scores: Scores of the epoch, by name, such as `loss` and `val_loss`.
        """
        if not self._shown:
            return
        columns = "".join(f"   {title} {scores[name]:.3f}" for title, name in _SCORES.items())
        seconds = time.monotonic() - self._start
        print(f"  {self._name}{columns}   {seconds:.0f} s", flush=True)
        self._collapsed_epochs = self._collapsed_epochs + 1 if has_collapsed(scores) else 0
        if self._collapsed_epochs == _COLLAPSED_EPOCHS:
            print(f"  {COLLAPSED}", flush=True)


def _about(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.95 * length:
            return f"about {seconds / length:.2g} {unit}"
    return f"about {seconds:.0f} seconds"
