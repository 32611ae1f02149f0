"""The `unetfx` command line, with commands that TFX's own command line does not have."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from data.printable import printable
from pipeline.commands import data_commands, model_commands, run_commands
from pipeline.execution.entry import exit_code_of, use_utf8


def main() -> None:
    """Runs the command line; an error for the user is printed, and the exit code is 2."""
    use_utf8()
    sys.exit(exit_code_of(commands))


class _Commands(click.Group):
    """The commands, whose error messages about options may quote names of files."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _printable_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc] # in all kinds of errors
        raise


@click.group(cls=_Commands, epilog="Run 'unetfx COMMAND --help' for the options of a command.")
def commands() -> None:
    """Image segmentation in TFX: from folders of images and masks to a served U-Net."""


for _command in (*data_commands.COMMANDS, *run_commands.COMMANDS, *model_commands.COMMANDS):
    commands.add_command(_command)
