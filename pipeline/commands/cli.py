"""The `unetfx` command line, with commands that TFX's own command line does not have."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from data.errors import UnetfxError
from data.printable import printable
from pipeline.commands import data_commands, model_commands, run_commands
from pipeline.execution.console import print_failure
from pipeline.execution.first_process import run_as_child_if_first
from pipeline.exit_codes import BAD_INPUT


def main() -> None:
    """Runs the command line; for a `UnetfxError`, prints the message and exits with code 2."""
    run_as_child_if_first(_main)


def _main() -> None:
    try:
        commands()
    except UnetfxError as error:
        print_failure(str(error))
        sys.exit(BAD_INPUT)


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
