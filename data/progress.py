"""A progress bar of rich, for terminals."""

from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def terminal_progress(
    console: Console, *columns: str | ProgressColumn, disable: bool = False, **options: Any
) -> Progress:
    """Makes a progress bar that shows only on a terminal, and disappears when it is done.

    Args:
      console: The console to show it on.
      *columns: Columns of the bar; rich's own by default.
      disable: Shows nothing on a terminal either.
      **options: Other options of `rich.progress.Progress`.

    Returns:
      The bar, to be started.
    """
    # Without this, rich prints an empty line at the end of a disabled progress bar.
    console.is_interactive = True
    disable = disable or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=disable, **options)
