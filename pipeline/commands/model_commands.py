"""Commands of `unetfx` about models: their network, predictions, the local server and its log."""

import re
import sys
from pathlib import Path

import click

from data.errors import InputError
from pipeline.commands.options import (
    AT_LEAST_1,
    PATH,
    config_option,
    log_images_option,
    log_option,
    number_option,
    refuse_images_without_log,
)
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, log_lines_of

# Most commands import their modules only when they run. TensorFlow and TFX take seconds to import,
# and write to standard error as they load, so `library_noise_to` must redirect it first.
_PORT, _SECONDS = click.IntRange(0, 65535), click.FloatRange(0.001)


@click.command()
@config_option
@click.option("--layer", metavar="NAME", help="Layer whose feature maps to draw.")
@click.option("--image", type=PATH, metavar="FILE", help="Image to compute the maps of.")
@click.option("--out", type=PATH, metavar="FILE", help="PNG file for the feature maps.")
def model(config_file: Path, layer: str | None, image: Path | None, out: Path | None) -> None:
    """Show the network, or the feature maps of a layer.

    Shows all layers, the number of parameters, the FLOPs and a sanity check. With --layer, --image
    and --out, draws the feature maps of one layer instead.

    Exit code 0: all sanity checks passed. 1: a sanity check failed. 2: the config or an option is
    wrong.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "model.txt", only_reads=True):
        from pipeline.commands.show_model import draw_features, show_model

        if layer is None and image is None and out is None:
            sys.exit(show_model(config))
        if layer is None or image is None or out is None:
            raise InputError("--layer, --image and --out belong together: give all three.")
        draw_features(config, layer, image, out)


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    required=True,
    help="Folder for masks, overlays and classes.csv.",
)
@config_option
@click.option(
    "--url",
    metavar="URL",
    help="Use this server instead of a pushed model: http://host:8501, https://… or "
    "grpc://host:8500.",
)
@click.option(
    "--name", metavar="NAME", help="Name of the model on the server.  [default: from the config]"
)
@click.option(
    "--model-version",
    type=click.IntRange(0),
    metavar="N",
    help="Version of the model.  [default: the newest]",
)
@click.option("--label", metavar="LABEL", help="Label of the model version on the server.")
@number_option("--batch", 1, "N", "Images per batch.", AT_LEAST_1)
@click.option(
    "--jobs",
    type=AT_LEAST_1,
    metavar="N",
    help="Batches processed at a time.  [default: 1, or 4 with --url]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Time limit for a batch on the server, and for its start.  [default: 60]",
)
@click.option("--rank", is_flag=True, help="Say which of the images to label next.")
@log_option
@log_images_option
def predict(
    images: tuple[str, ...],
    out: Path,
    config_file: Path,
    url: str | None,
    name: str | None,
    model_version: int | None,
    label: str | None,
    batch: int,
    jobs: int | None,
    timeout: float | None,
    rank: bool,
    log_folder: Path | None,
    log_images: float | None,
) -> None:
    """Segment images with a pushed model or a server.

    IMAGES are files, folders (with all images below them) and quoted glob patterns. For each image,
    writes a mask of class ids, an overlay and a row in classes.csv. With --rank, also writes
    ranking.csv, with the images that would help most if they were labelled next.

    Exit code 0: done. 2: an image failed.
    """
    config = load_config(config_file)
    from pipeline.commands.predict import ModelChoice, run_predict

    refuse_images_without_log(log_folder, log_images)
    choice = ModelChoice(url, name, model_version, label, timeout)
    sys.exit(
        run_predict(
            config,
            images,
            out,
            choice,
            batch=batch,
            jobs=jobs,
            log_folder=log_folder,
            log_images=log_images,
            rank=rank,
        )
    )


@click.command()
@config_option
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@number_option("--rest-port", 8501, "PORT", "Port for REST and the web page.", _PORT)
@number_option("--grpc-port", 8500, "PORT", "Port for gRPC.", _PORT)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL=VERSION",
    help="Label for a version that is also served: stable=3. Can be repeated.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Name under which clients reach the server through DNS or a proxy. Can be repeated.",
)
@number_option("--max-body", 64, "MIB", "Maximum size of a request in MiB.", AT_LEAST_1)
@number_option("--max-requests", 64, "N", "Maximum number of requests at a time.", AT_LEAST_1)
@number_option("--max-seconds", 60.0, "SECONDS", "Time limit for a request.", _SECONDS)
@number_option("--max-batch", 8, "N", "Maximum number of images in a batch.", AT_LEAST_1)
@log_option
@log_images_option
def serve(
    config_file: Path,
    host: str,
    rest_port: int,
    grpc_port: int,
    labels: tuple[str, ...],
    hosts: tuple[str, ...],
    max_body: int,
    max_requests: int,
    max_seconds: float,
    max_batch: int,
    log_folder: Path | None,
    log_images: float | None,
) -> None:
    """Serve the newest pushed model on this machine.

    The server has the REST and gRPC interfaces of TF Serving, and a web page to try the model. Stop
    the server with Ctrl-C.
    """
    config = load_config(config_file)
    refuse_images_without_log(log_folder, log_images)
    log = config.home / "logs" / "serve.txt"
    with library_noise_to(log, only_reads=True), log_lines_of("serving"):
        from serving.server.limits import Limits
        from serving.server.serve import ServerSettings, serve

        serve(
            ServerSettings(
                name=config.name,
                folder=config.serving_folder,
                host=host,
                rest_port=rest_port,
                grpc_port=grpc_port,
                labels=dict(map(_label, labels)),
                limits=Limits(
                    body=max_body * 2**20,
                    requests=max_requests,
                    seconds=max_seconds,
                    batch=max_batch,
                ),
                hosts=hosts,
                log=log_folder,
                log_images=log_images,
            )
        )


def _label(text: str) -> tuple[str, int]:
    label, _, version = text.partition("=")
    if not label or not re.fullmatch("[0-9]+", version):
        raise InputError(f"--label {text}: should be a name and a version, as in stable=3")
    return label, int(version)


@click.command()
@config_option
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
def drift(config_file: Path, logs: tuple[str, ...]) -> None:
    """Compare logged requests with the training data.

    LOG is a folder or a file that unetfx serve --log or unetfx predict --log wrote. Says what has
    moved away from the training data of the newest pushed version, and since when.

    Exit code 0: no drift. 1: drift. 2: the config or a log is wrong, or there are too few requests.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "drift.txt", only_reads=True):
        from pipeline.commands.drift import run_drift

        sys.exit(run_drift(config, logs))


COMMANDS = (model, predict, serve, drift)
"""The commands of this module."""
