"""Options and arguments that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from data.errors import InputError
from data.files.paths import is_remote
from pipeline.config.loading import config_path


class _LocalPath(click.Path):
    """Type of an option that must be a local path; `Path` would turn `gs://x` into `gs:/x`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_remote(value) and param:
            raise InputError(f"{param.opts[0]} {value}: should be a path on this machine.")
        return super().convert(value, param, ctx)


PATH = _LocalPath(path_type=Path)
"""Type of an argument or option that is a path on this machine."""
AT_LEAST_1 = click.IntRange(1)
config_option = click.option(
    "--config",
    "config_file",
    type=PATH,
    metavar="FILE",
    default=config_path,
    help="Config file.  [default: $UNETFX_CONFIG, or else the Blue Marble example]",
)
run_argument = click.argument("run")
log_option = click.option(
    "--log",
    "log_folder",
    type=PATH,
    metavar="FOLDER",
    help="Folder for a log of the predictions, for unetfx drift.",
)
log_images_option = click.option(
    "--log-images",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Keep this share of the images, drawn at random, beside the log.  [default: none]",
)
why_option = click.option(
    "--why", required=True, metavar="TEXT", help="Reason, kept in the records."
)


def refuse_images_without_log(log_folder: Path | None, log_images: float | None) -> None:
    """Raises InputError if `--log-images` is given without `--log`."""
    if log_images is not None and log_folder is None:
        raise InputError("--log-images: only works with --log, the folder of the log.")


def number_option(
    name: str, default: float, metavar: str, help_text: str, kind: click.IntRange | click.FloatRange
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a click option for a number, whose help shows the default and the allowed range.

    Args:
      name: Name of the option, such as `--batch`.
      default: Default of the number.
      metavar: Name of the number in the help.
      help_text: Description of the option.
      kind: Type of the number, with its range.
    """
    return click.option(
        name, type=kind, metavar=metavar, default=default, show_default=True, help=help_text
    )
