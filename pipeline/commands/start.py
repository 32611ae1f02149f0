"""The start of the program `unetfx`. It imports little, because imports take a second."""

from pipeline.execution.first_process import run_as_child_if_first


def main() -> None:
    """Runs the command line; in the first process of a container, as a child of this process."""
    run_as_child_if_first(_run)


def _run() -> None:
    # Before the child exists, the first process of a container ignores SIGTERM.
    from pipeline.commands.cli import main

    main()
