"""The `unetfx` command line, with commands that TFX's own command line does not have."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from data.errors import InputError, UnetfxError
from data.files.paths import is_remote, join
from data.printable import printable
from data.sources.blue_marble import write_blue_marble
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import library_noise_to, log_lines_of, print_failure
from pipeline.execution.first_process import run_as_child_if_first
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import BAD_INPUT

# Most commands import their modules only when they run. TensorFlow and TFX take seconds to import,
# and write to standard error as they load, so `library_noise_to` must redirect it first.


class _LocalPath(click.Path):
    """Type of an option that must be a local path; `Path` would turn `gs://x` into `gs:/x`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_remote(value) and param:
            raise InputError(f"{param.opts[0]} {value}: should be a path on this machine.")
        return super().convert(value, param, ctx)


_PATH = _LocalPath(path_type=Path)
_PORT, _AT_LEAST_1, _SECONDS = click.IntRange(0, 65535), click.IntRange(1), click.FloatRange(0.001)
config_option = click.option(
    "--config",
    "config_file",
    type=_PATH,
    metavar="FILE",
    default=config_path,
    help="Config file.  [default: $UNETFX_CONFIG, or else the Blue Marble example]",
)
_run = click.argument("run")
_log_option = click.option(
    "--log",
    "log_folder",
    type=_PATH,
    metavar="FOLDER",
    help="Folder for a log of the predictions, without images, for unetfx drift.",
)
_why = click.option("--why", required=True, metavar="TEXT", help="Reason, kept in the records.")


def _number_option(
    name: str, default: float, metavar: str, help_text: str, kind: click.IntRange | click.FloatRange
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a click option for a number, whose help shows the default and the allowed range."""
    return click.option(
        name, type=kind, metavar=metavar, default=default, show_default=True, help=help_text
    )


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


@commands.command()
@click.argument("name", type=click.Choice(["blue_marble"]))
@click.option("--out", type=_PATH, metavar="FOLDER", required=True, help="Folder to create.")
def sample(name: str, out: Path) -> None:
    """Write a sample data set as image and mask files."""
    count = write_blue_marble(out)
    click.echo(
        f"{name}: {count} pairs in {printable(out)}/images and {printable(out)}/masks "
        "(0 ocean, 1 land, 2 lake)"
    )


@commands.command()
@click.argument("folder", type=_PATH)
@click.option(
    "--out", type=_PATH, metavar="FILE", help="Config file to write.  [default: FOLDER's name.yaml]"
)
def init(folder: Path, out: Path | None) -> None:
    """Write a config for a folder of images and masks.

    Looks at the arrangement of the files, the values of the masks and the sizes of the images, and
    prints what it saw and decided. An existing file is never overwritten.
    """
    from pipeline.commands.init import write_config

    write_config(folder, out)


@commands.command()
@config_option
def check(config_file: Path) -> None:
    """Check the data without training.

    Prints a table of findings, and writes a page with pictures of the pairs concerned.

    Exit code 0: a run would accept the data. 2: the config or the data are wrong.
    """
    from pipeline.commands.check import run_check

    sys.exit(run_check(config_file))


@commands.command()
@config_option
def run(config_file: Path) -> None:
    """Run the pipeline on this machine.

    Exit code 0: done. 1: unexpected failure. 2: the config or the data are wrong. 3: the model was
    not blessed, or failed ServingCheck.
    """
    sys.exit(run_pipeline(config_file))


@commands.command()
@config_option
def retrain(config_file: Path) -> None:
    """Run the pipeline if the data, the config or the code changed.

    Meant for schedulers such as cron: while another process is running the pipeline, the command
    does nothing. After the run, it notifies the recipients in `retrain.notify` and removes old
    artifacts.

    Exit codes are the same as for `unetfx run`, and 0 if nothing has changed.
    """
    from pipeline.retraining.retrain import retrain

    sys.exit(retrain(config_file))


@commands.command()
@config_option
def runs(config_file: Path) -> None:
    """List past runs with their scores and pushed versions.

    Shows the data span, mean IoU, blessing and pushed version of each run, newest first, and the
    trials of each hyperparameter search.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "runs.txt"):
        from pipeline.commands.list_runs import list_runs

        list_runs(config, config_file)


@commands.command()
@config_option
@click.argument("run", required=False)
@click.option("--compare", metavar="RUN", help="Run to compare with, image by image.")
def review(config_file: Path, run: str | None, compare: str | None) -> None:
    """Open the report of a run.

    RUN is the id of the run or the beginning of the id.  [default: the newest run]
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "review.txt"):
        from components.report.page import PAGE_FILE
        from pipeline.history.runs import find_run
        from pipeline.reports import comparison, publishing

        reviewed = find_run(config, run)
        if compare is None:
            page = join(publishing.publish(config, reviewed), PAGE_FILE)
        else:
            page = comparison.compare(config, find_run(config, compare), reviewed)
    click.echo(printable(page))
    if sys.stdout.isatty() and not is_remote(page):
        click.launch(page)


@commands.command()
@config_option
@_run
@_why
def bless(config_file: Path, run: str, why: str) -> None:
    """Bless a model that the gate refused.

    The model of RUN can then be pushed, and later models are compared with it. RUN is the id of the
    run or the beginning of the id.
    """
    _decide(config_file, run, why, blessed=True)


@commands.command()
@config_option
@_run
@_why
def unbless(config_file: Path, run: str, why: str) -> None:
    """Withdraw the blessing of a model.

    Later models are no longer compared with the model of RUN, and no warm start uses its weights.
    RUN is the id of the run or the beginning of the id.
    """
    _decide(config_file, run, why, blessed=False)


def _decide(config_file: Path, run: str, why: str, *, blessed: bool) -> None:
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "decisions.txt"):
        from pipeline.commands.decisions import decide

        decide(config, config_file, run, why, blessed=blessed)


@commands.command()
@config_option
@_run
def push(config_file: Path, run: str) -> None:
    """Push a blessed model as a new version.

    Push the model of an older run to go back to that model. RUN is the id of the run or the
    beginning of the id.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "decisions.txt"):
        from pipeline.commands.decisions import push

        push(config, run)


@commands.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    type=_PATH,
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
@_number_option("--batch", 1, "N", "Images per batch.", _AT_LEAST_1)
@click.option(
    "--jobs",
    type=_AT_LEAST_1,
    metavar="N",
    help="Batches processed at a time.  [default: 1, or 4 with --url]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Time limit for a batch on the server, and for its start.  [default: 60]",
)
@_log_option
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
    log_folder: Path | None,
) -> None:
    """Segment images with a pushed model or a server.

    IMAGES are files, folders (with all images below them) and quoted glob patterns. For each image,
    writes a mask of class ids, an overlay and a row in classes.csv.

    Exit code 0: done. 2: an image failed.
    """
    config = load_config(config_file)
    from pipeline.commands.predict import ModelChoice, run_predict

    choice = ModelChoice(url, name, model_version, label, timeout)
    sys.exit(
        run_predict(config, images, out, choice, batch=batch, jobs=jobs, log_folder=log_folder)
    )


@commands.command()
@config_option
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
def drift(config_file: Path, logs: tuple[str, ...]) -> None:
    """Compare logged requests with the training data.

    LOG is a folder or a file that unetfx serve --log or unetfx predict --log wrote. Says what has
    moved away from the training data of the newest pushed version, and since when.

    Exit code 0: no drift. 1: drift. 2: the config or a log is wrong, or there are too few requests.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "drift.txt"):
        from pipeline.commands.drift import run_drift

        sys.exit(run_drift(config, logs))


@commands.command()
@config_option
@click.option("--ok", multiple=True, metavar="PAIR", help="This mask is right. Can be repeated.")
@click.option(
    "--mended", multiple=True, metavar="PAIR", help="This mask is now right. Can be repeated."
)
@click.option(
    "--export",
    type=_PATH,
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


@commands.command()
@config_option
@click.option("--layer", metavar="NAME", help="Layer whose feature maps to draw.")
@click.option("--image", type=_PATH, metavar="FILE", help="Image to compute the maps of.")
@click.option("--out", type=_PATH, metavar="FILE", help="PNG file for the feature maps.")
def model(config_file: Path, layer: str | None, image: Path | None, out: Path | None) -> None:
    """Show the network, or the feature maps of a layer.

    Shows all layers, the number of parameters, the FLOPs and a sanity check. With --layer, --image
    and --out, draws the feature maps of one layer instead.

    Exit code 0: all sanity checks passed. 1: a sanity check failed. 2: the config or an option is
    wrong.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "model.txt"):
        from pipeline.commands.show_model import draw_features, show_model

        if layer is None and image is None and out is None:
            sys.exit(show_model(config))
        if layer is None or image is None or out is None:
            raise InputError("--layer, --image and --out belong together: give all three.")
        draw_features(config, layer, image, out)


@commands.command()
@config_option
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@_number_option("--rest-port", 8501, "PORT", "Port for REST and the web page.", _PORT)
@_number_option("--grpc-port", 8500, "PORT", "Port for gRPC.", _PORT)
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
@_number_option("--max-body", 64, "MIB", "Maximum size of a request in MiB.", _AT_LEAST_1)
@_number_option("--max-requests", 64, "N", "Maximum number of requests at a time.", _AT_LEAST_1)
@_number_option("--max-seconds", 60.0, "SECONDS", "Time limit for a request.", _SECONDS)
@_number_option("--max-batch", 8, "N", "Maximum number of images in a batch.", _AT_LEAST_1)
@_log_option
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
) -> None:
    """Serve the newest pushed model on this machine.

    The server has the REST and gRPC interfaces of TF Serving, and a web page to try the model. Stop
    the server with Ctrl-C.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "serve.txt"), log_lines_of("serving"):
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
            )
        )


def _label(text: str) -> tuple[str, int]:
    label, _, version = text.partition("=")
    if not label or not version.isdecimal():
        raise InputError(f"--label {text}: should be a name and a version, as in stable=3")
    return label, int(version)
