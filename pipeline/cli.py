"""The `unetfx` command: what the `tfx` command has no word for."""

import sys
from pathlib import Path

import click

from data.blue_marble import write_blue_marble
from data.errors import InputError
from pipeline.config import config_path, load_config
from pipeline.console import library_noise_to, print_failure
from pipeline.local_runner import BAD_INPUT, run_pipeline

_config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=config_path,
    show_default="$UNETFX_CONFIG, or the Blue Marble sample's",
    help="The config file.",
)


def main() -> None:
    """Runs the command line; bad input ends in one line and exit code 2."""
    try:
        commands()
    except InputError as error:
        print_failure(str(error))
        sys.exit(BAD_INPUT)


@click.group()
def commands() -> None:
    """Image segmentation in TFX: from folders of images and masks to a served U-Net."""


@commands.command()
@click.argument("name", type=click.Choice(["blue_marble"]))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
def sample(name: str, out: Path) -> None:
    """Write a sample data set as ordinary image and mask files."""
    count = write_blue_marble(out)
    click.echo(f"{name}: {count} pairs in {out}/images and {out}/masks (0 ocean, 1 land, 2 lake)")


@commands.command()
@_config
def check(config_file: Path) -> None:
    """Check the data without training: exit code 0 good, 2 bad config or data."""
    from pipeline.check import run_check

    sys.exit(run_check(config_file))


@commands.command()
@_config
def run(config_file: Path) -> None:
    """Run the pipeline on this machine: exit code 0 done, 2 bad config or data, 3 not blessed."""
    sys.exit(run_pipeline(config_file))


@commands.command()
@_config
def runs(config_file: Path) -> None:
    """List past runs: data span, mean IoU, blessed, pushed version; and the trials of searches."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "runs.txt"):
        from pipeline.list_runs import list_runs

        list_runs(config, config_file)


@commands.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the masks and overlays.",
)
@_config
def predict(images: tuple[Path, ...], out: Path, config_file: Path) -> None:
    """Segment images with the newest pushed model: a mask of class ids and an overlay for each."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "predict.txt"):
        from serving.predict import predict_files

        for line in predict_files(images, config.serving_folder, out, config.data):
            click.echo(line)


@commands.command()
@_config
@click.option("--layer", help="Draw this layer's feature maps.")
@click.option("--image", type=click.Path(path_type=Path), help="The image that the layer sees.")
@click.option("--out", type=click.Path(path_type=Path), help="The picture to write, a PNG.")
def model(config_file: Path, layer: str | None, image: Path | None, out: Path | None) -> None:
    """Show the network: layers, parameters, FLOPs, a sanity check; or a layer's feature maps."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "model.txt"):
        from pipeline.show_model import draw_features, show_model

        if layer is None and image is None and out is None:
            sys.exit(show_model(config))
        if layer is None or image is None or out is None:
            raise InputError("--layer, --image and --out belong together: give all three.")
        draw_features(config, layer, image, out)
