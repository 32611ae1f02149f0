"""A progress bar for terminals, drawn by the library rich."""

from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def terminal_progress(
    console: Console, *columns: str | ProgressColumn, disable: bool = False, **options: Any
) -> Progress:
    """Creates a progress bar that is shown only on a terminal, and removed at the end.

    Args:
      console: The rich console on which the bar is shown.
      *columns: Columns of the bar; rich's default columns if none are given.
      disable: Whether to hide the bar even on a terminal.
      **options: Other options of `rich.progress.Progress`.

    Returns:
      The bar, not yet started.
    """
    # On a console that is not interactive, rich ends a disabled progress bar with an empty line.
    console.is_interactive = True
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable, **options)
