"""The `unetfx` command: what the `tfx` command has no word for."""

import sys
from pathlib import Path

import click

from data.errors import InputError, UnetfxError
from data.sources.blue_marble import write_blue_marble
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import library_noise_to, log_lines_of, print_failure
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import BAD_INPUT

config_option = click.option(
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
    except UnetfxError as error:
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
@config_option
def check(config_file: Path) -> None:
    """Check the data without training: exit code 0 good, 2 bad config or data."""
    from pipeline.commands.check import run_check

    sys.exit(run_check(config_file))


@commands.command()
@config_option
def run(config_file: Path) -> None:
    """Run the pipeline on this machine: exit code 0 done, 2 bad config or data, 3 not blessed."""
    sys.exit(run_pipeline(config_file))


@commands.command()
@config_option
def retrain(config_file: Path) -> None:
    """One scheduled turn: run if there is something new; exit codes as `run`, 0 for nothing to do.

    Never two at a time. Tells whom the config names, and removes what only old runs need.
    """
    from pipeline.retraining.retrain import retrain

    sys.exit(retrain(config_file))


@commands.command()
@config_option
def runs(config_file: Path) -> None:
    """List past runs: data span, mean IoU, blessed, pushed version; and the trials of searches."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "runs.txt"):
        from pipeline.commands.list_runs import list_runs

        list_runs(config, config_file)


@commands.command()
@config_option
@click.argument("run", required=False)
@click.option("--compare", metavar="RUN", help="Set this run beside it, image by image.")
def review(config_file: Path, run: str | None, compare: str | None) -> None:
    """Open the report of a run: of the newest one, or of the one whose id begins with RUN."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "review.txt"):
        from components.report.page import PAGE_FILE
        from pipeline.history.runs import find_run
        from pipeline.reports import comparison, publishing

        found = find_run(config, run)
        if compare is None:
            page = publishing.publish(config, found) / PAGE_FILE
        else:
            page = comparison.compare(config, find_run(config, compare), found)
    click.echo(page)
    if sys.stdout.isatty():
        click.launch(str(page))


_run = click.argument("run")
_why = click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept.")


@commands.command()
@config_option
@_run
@_why
def bless(config_file: Path, run: str, why: str) -> None:
    """Bless a run's model although the gate did not: it may be pushed, and compared with."""
    _decide(config_file, run, why, blessed=True)


@commands.command()
@config_option
@_run
@_why
def unbless(config_file: Path, run: str, why: str) -> None:
    """Withdraw the blessing of a run's model: it is not compared with, nor begun with, any more."""
    _decide(config_file, run, why, blessed=False)


def _decide(config_file: Path, name: str, why: str, *, blessed: bool) -> None:
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "decisions.txt"):
        from pipeline.history import decisions
        from pipeline.history.runs import find_run
        from pipeline.reports import publishing

        run = find_run(config, name)
        decisions.decide(config, run.artifacts["Model"], blessed=blessed, why=why)
        run = find_run(config, run.id)
        publishing.publish(config, run)
    click.echo(f"Run {run.id}: {run.decisions[-1]}")
    option = f" --config {config_file}"
    if blessed:
        click.echo(f"Push it: unetfx push {run.id}{option}")
    elif run.pushed_folder and Path(run.pushed_folder).exists():
        click.echo(
            f"It was pushed to {run.pushed_folder}, which is still served. Go back to an older "
            f"one: unetfx push RUN{option}"
        )


@commands.command()
@config_option
@_run
def push(config_file: Path, run: str) -> None:
    """Push a run's blessed model as a new version: the way back to an older one."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "decisions.txt"):
        from pipeline.history import decisions
        from pipeline.history.runs import find_run
        from pipeline.reports import publishing

        found = find_run(config, run)
        if not found.blessed:
            raise InputError(
                f"{found.id}: its model is not blessed. If you know better: unetfx bless "
                f"{found.id} --why TEXT"
            )
        if found.serves is False:
            raise InputError(f"{found.id}: its model failed ServingCheck; its report says why.")
        version = decisions.push(config, found.artifacts["Model"])
        publishing.publish(config, find_run(config, found.id))
    click.echo(f"Pushed the model of run {found.id} as version {Path(version).name}: {version}")


@commands.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the masks, the overlays and classes.csv.",
)
@config_option
@click.option("--url", help="Ask this server: http://host:8501, https://… or grpc://host:8500.")
@click.option("--name", help="The model's name on the server.  [default: the config's]")
@click.option("--model-version", type=click.IntRange(0), metavar="V", help="Not the newest.")
@click.option("--label", metavar="L", help="The version with this label, on the server.")
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Images at once."
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Batches at a time.  [default: 1; with --url 4]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Seconds that the server may take for a batch.  [default: 60]",
)
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
) -> None:
    """Segment images: a mask of class ids, an overlay, and a row of classes.csv for each.

    IMAGES are files, folders (all images below) and quoted globs. The newest pushed model answers,
    or the server that --url names. Exit code 2 if an image failed.
    """
    config = load_config(config_file)
    from pipeline.commands.predict import Where, run_predict

    where = Where(url, name, model_version, label, timeout)
    sys.exit(run_predict(config, images, out, where, batch=batch, jobs=jobs))


@commands.command()
@config_option
@click.option("--layer", help="Draw this layer's feature maps.")
@click.option("--image", type=click.Path(path_type=Path), help="The image that the layer sees.")
@click.option("--out", type=click.Path(path_type=Path), help="The picture to write, a PNG.")
def model(config_file: Path, layer: str | None, image: Path | None, out: Path | None) -> None:
    """Show the network: layers, parameters, FLOPs, a sanity check; or a layer's feature maps."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "model.txt"):
        from pipeline.commands.show_model import draw_features, show_model

        if layer is None and image is None and out is None:
            sys.exit(show_model(config))
        if layer is None or image is None or out is None:
            raise InputError("--layer, --image and --out belong together: give all three.")
        draw_features(config, layer, image, out)


_PORT, _AT_LEAST_1 = click.IntRange(0, 65535), click.IntRange(1)


@commands.command()
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--rest-port", type=_PORT, default=8501, show_default=True, help="For REST and the page."
)
@click.option("--grpc-port", type=_PORT, default=8500, show_default=True, help="For gRPC.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL=VERSION",
    help="Serve this version, too, by a name: stable=3. May be given several times.",
)
@click.option(
    "--max-body", type=_AT_LEAST_1, default=64, show_default=True, help="MiB of a request."
)
@click.option(
    "--max-requests", type=_AT_LEAST_1, default=64, show_default=True, help="At the same time."
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0.001),
    default=60.0,
    show_default=True,
    help="From request to answer.",
)
@click.option(
    "--max-batch", type=_AT_LEAST_1, default=8, show_default=True, help="Images computed together."
)
def serve(
    config_file: Path,
    host: str,
    rest_port: int,
    grpc_port: int,
    labels: tuple[str, ...],
    max_body: int,
    max_requests: int,
    max_seconds: float,
    max_batch: int,
) -> None:
    """Serve the newest pushed model on this machine, as TF Serving would; stop with Ctrl-C."""
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "serve.txt"), log_lines_of("serving.server"):
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
            )
        )


def _label(text: str) -> tuple[str, int]:
    label, _, version = text.partition("=")
    if not label or not version.isdecimal():
        raise InputError(f"--label {text}: should be a name and a version, as in stable=3")
    return label, int(version)
