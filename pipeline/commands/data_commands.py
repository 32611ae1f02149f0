"""Commands of `unetfx` about data: samples, configs, checks and wrong masks."""

import sys
from pathlib import Path

import click

from data.errors import InputError
from data.printable import printable
from data.sources.blue_marble import write_blue_marble
from pipeline.commands.options import PATH, config_option
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to

# Most commands import their modules only when they run. TensorFlow and TFX take seconds to import,
# and write to standard error as they load, so `library_noise_to` must redirect it first.


@click.command()
@click.argument("name", type=click.Choice(["blue_marble"]))
@click.option("--out", type=PATH, metavar="FOLDER", required=True, help="Folder to create.")
def sample(name: str, out: Path) -> None:
    """Write a sample data set as image and mask files."""
    count = write_blue_marble(out)
    click.echo(
        f"{name}: {count} pairs in {printable(out)}/images and {printable(out)}/masks "
        "(0 ocean, 1 land, 2 lake)"
    )


@click.command()
@click.argument("folder", type=PATH)
@click.option(
    "--out", type=PATH, metavar="FILE", help="Config file to write.  [default: FOLDER's name.yaml]"
)
def init(folder: Path, out: Path | None) -> None:
    """Write a config for a folder of images and masks.

    Looks at the arrangement of the files, the values of the masks and the sizes of the images, and
    prints what it saw and decided. An existing file is never overwritten.
    """
    from pipeline.commands.init import write_config

    write_config(folder, out)


@click.command()
@config_option
def check(config_file: Path) -> None:
    """Check the data without training.

    Prints a table of findings, and writes a page with pictures of the pairs concerned.

    Exit code 0: a run would accept the data. 2: the config or the data are wrong.
    """
    from pipeline.commands.check import run_check

    sys.exit(run_check(config_file))


@click.command()
@config_option
@click.option("--ok", multiple=True, metavar="PAIR", help="This mask is right. Can be repeated.")
@click.option(
    "--mended", multiple=True, metavar="PAIR", help="This mask is now right. Can be repeated."
)
@click.option(
    "--export",
    type=PATH,
    metavar="FOLDER",
    help="New folder for images, masks and proposed masks.",
)
@click.option(
    "--folds",
    type=click.IntRange(3),
    metavar="K",
    help="Train K models by cross-validation, and score the masks of all splits.",
)
def labels(
    config_file: Path,
    ok: tuple[str, ...],
    mended: tuple[str, ...],
    export: Path | None,
    folds: int | None,
) -> None:
    """Find masks that may be wrong.

    Compares the masks of val and test with the newest pushed model, which did not learn them.
    Prints a table of the masks that the model contradicts, and writes a page and labels.csv.

    With --ok or --mended, only records that a mask is right, so that it is not listed again until
    the image or the mask changes. PAIR is the name of a pair in the table.
    """
    config = load_config(config_file)
    if export is not None and (ok or mended):
        raise InputError(
            "--export: does not go with --ok and --mended. Export in a second command."
        )
    with library_noise_to(config.home / "logs" / "labels.txt") as terminal:
        if ok or mended:
            from pipeline.commands.label_verdicts import record

            record(config, {"ok": ok, "mended": mended})
        else:
            from pipeline.commands.labels import find_wrong_masks

            find_wrong_masks(config, export, folds, terminal)


COMMANDS = (sample, init, check, labels)
"""The commands of this module."""
