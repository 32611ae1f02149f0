"""A progress bar for terminals, drawn by the library rich."""

from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def terminal_progress(
    console: Console, *columns: str | ProgressColumn, disable: bool = False, **options: Any
) -> Progress:
    """Makes a progress bar that is shown only on a terminal, and disappears when it is done.

    Args:
      console: Console of rich on which the bar is shown.
      *columns: Columns of the bar; rich's default columns if none are given.
      disable: Whether to hide the bar on a terminal, too.
      **options: Other options of `rich.progress.Progress`.

    Returns:
      The bar, which is not started yet.
    """
    # Without this, rich prints an empty line at the end of a disabled progress bar.
    console.is_interactive = True
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable, **options)
