"""A terminal progress bar, drawn with the `rich` library."""

from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def terminal_progress(
    console: Console, *columns: str | ProgressColumn, disable: bool = False, **options: Any
) -> Progress:
    """Creates a progress bar that appears only on a terminal and disappears when it is stopped.

    Args:
      console: The rich console on which the bar is shown; this function marks it as interactive.
      *columns: Columns of the bar; if none are given, rich's default columns.
      disable: Whether to hide the bar even on a terminal.
      **options: Further keyword arguments for `rich.progress.Progress`.

    Returns:
      The progress bar, which the caller must start.
    """
    # When a disabled progress bar stops, rich prints an empty line on any console that is not
    # interactive. Marking the console as interactive prevents this.
    console.is_interactive = True
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable, **options)
