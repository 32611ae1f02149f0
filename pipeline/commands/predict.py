"""`unetfx predict`: segments images and writes masks and overlays, with a progress bar."""

import os
import posixpath
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from data.config import DataConfig
from data.errors import InputError
from data.printable import printable
from data.progress import terminal_progress
from pipeline.config.config import Config
from pipeline.execution.console import library_noise_to
from pipeline.exit_codes import BAD_INPUT, DONE
from serving.client.client import ServingClient
from serving.files.image_files import find_images
from serving.files.predict import TABLE_FILE, Outcome, predict_files
from serving.palette import colour
from serving.prediction import Predictor
from serving.request_log import RequestLog

JOBS, JOBS_OF_SERVER = 1, 4
"""Default number of batches that are processed at the same time: `JOBS` on this machine, where one
batch uses all cores, and `JOBS_OF_SERVER` with a server."""
TIMEOUT = 60.0
"""Default time limit for each batch on a server, in seconds."""

_MOST_SHARES = 8  # classes in the line of an image


class ModelChoice(NamedTuple):
    """The model to predict with: a pushed version on this machine, or a model on a server.

    Attributes:
      url: URL of a model server; None for a pushed version on this machine.
      name: Name of the model on the server; None for the name of the pipeline.
      version: Version number; None for the version with the given label or, if there is no label,
        for the newest version.
      label: Label of the version on the server; None for no label.
      timeout: Time limit for each batch on the server, in seconds; None for the default, `TIMEOUT`.
    """

    url: str | None = None
    name: str | None = None
    version: int | None = None
    label: str | None = None
    timeout: float | None = None


def run_predict(
    config: Config,
    patterns: Sequence[str],
    out: Path,
    choice: ModelChoice,
    *,
    batch: int = 1,
    jobs: int | None = None,
    log_folder: Path | None = None,
    log_images: float | None = None,
    rank: bool = False,
) -> int:
    """Segments images and prints a line for each image.

    Args:
      config: The config of the pipeline, with the folder of the pushed versions, the classes and
        the maximum image size.
      patterns: Image files, folders with images, and glob patterns.
      out: Folder for the masks, the overlays and classes.csv.
      choice: The model to predict with.
      batch: Number of images in a batch.
      jobs: Number of batches that are processed at the same time; None for the default, which is
        `JOBS`, or `JOBS_OF_SERVER` with a server.
      log_folder: Folder for the log of the predictions (see `RequestLog`); None for no log.
      log_images: Share of the images that the log keeps, above 0 and at most 1; None for none.
      rank: Whether to rank the images by how much their labels would help (see `rank_images`).

    Returns:
      The exit code: `DONE`, or `BAD_INPUT` if there is only one image and it failed.

    Raises:
      UnetfxError: No image or no model was found, the server does not answer, a file cannot be
        written, or at least one of several images failed.
    """
    log = Path(os.devnull) if choice.url else config.home / "logs" / "predict.txt"
    with library_noise_to(log, only_reads=True) as terminal:
        images = find_images(patterns, out)
        log_context = closing(RequestLog(log_folder, log_images)) if log_folder else nullcontext()
        with (
            _model(config, choice, terminal) as (model, data, folder),
            log_context as request_log,
        ):
            jobs = jobs or (JOBS_OF_SERVER if choice.url else JOBS)
            version = int(posixpath.basename(folder)) if folder else choice.version
            outcomes = predict_files(
                images,
                model,
                out,
                data,
                batch=batch,
                jobs=jobs,
                log=request_log,
                version=version,
            )
            if not rank:
                failed = _print(outcomes, len(images), model.classes, terminal)
            else:
                # This import comes late, because Keras takes seconds to load.
                from pipeline.commands.next_images import UncertainImages, rank_images

                uncertain = UncertainImages()
                noted = uncertain.noted(outcomes)
                failed = _print(noted, len(images), model.classes, terminal)
                rank_images(uncertain, config, data, folder, out, terminal)
    if failed and len(images) > 1:
        raise InputError(
            f"{failed} of {len(images)} images failed. The reasons are above and in "
            f"{out / TABLE_FILE}"
        )
    return BAD_INPUT if failed else DONE


@contextmanager
def _model(
    config: Config, choice: ModelChoice, terminal: TextIO
) -> Iterator[tuple[Predictor, DataConfig, str | None]]:
    """Yields the model, the settings for reading images, and the folder of a pushed version."""
    if choice.url is None:
        _refuse_server_options(choice)
        # These imports come late, because TensorFlow takes seconds to load and is not needed for
        # predictions by a server.
        from serving.model.description import model_intensity_range
        from serving.model.loading import ServedModel
        from serving.model.versions import newest_version, pushed_version

        folder = config.serving_folder
        version = (
            newest_version(folder)
            if choice.version is None
            else pushed_version(folder, choice.version)
        )
        # The intensity range is taken from the model, because the range in the config may have
        # changed since training.
        settings = {"intensity_range": model_intensity_range(version)}
        yield ServedModel(version), config.data.model_copy(update=settings), version
        return
    timeout = choice.timeout or TIMEOUT
    line = f"{choice.url}: the server serves no version yet; waiting up to {timeout:g} s"
    with ServingClient(
        choice.url,
        choice.name or config.name,
        config.data.classes,
        version=choice.version,
        label=choice.label,
        timeout=timeout,
    ) as client:
        # Fails early, before any image is read.
        client.check(lambda: click.echo(line, file=terminal))
        yield client, config.data, None


def _refuse_server_options(choice: ModelChoice) -> None:
    options = {"--name": choice.name, "--label": choice.label, "--timeout": choice.timeout}
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{option}: only works with --url, the address of a server.")


def _print(
    outcomes: Iterator[Outcome], count: int, classes: Sequence[str], terminal: TextIO
) -> int:
    """Prints a line for each image, and returns the number of failed images."""
    failed = 0
    # Class names are printed in the colours that masks and overlays use. `click.echo` removes the
    # colours if the output is not a terminal.
    names = [
        click.style(printable(name), fg=colour(class_id)) for class_id, name in enumerate(classes)
    ]
    console = Console(file=terminal, highlight=False, soft_wrap=True)
    progress = terminal_progress(
        console,
        TextColumn("Predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=False,
        disable=count == 1,
    )
    with progress:
        for outcome in progress.track(outcomes, count):
            if outcome.error:
                failed += 1
                console.print(f"unetfx: {printable(outcome.error)}", markup=False)
                continue
            text = _shares_text(names, outcome.class_fraction)
            click.echo(f"{printable(outcome.image.path)}: {text}")
    return failed


def _shares_text(names: Sequence[str], shares: Sequence[float]) -> str:
    """Returns the shares of all classes, or of the largest ones if there are many."""
    shown = list(range(len(names)))
    if len(names) > _MOST_SHARES:
        largest = sorted(shown, key=lambda class_id: -shares[class_id])[:_MOST_SHARES]
        shown = [class_id for class_id in largest if shares[class_id]]
    text = ", ".join(f"{names[class_id]} {shares[class_id]:.1%}" for class_id in shown)
    others = 1 - sum(shares[class_id] for class_id in shown)
    return text + (f", others {others:.1%}" if others >= 0.0005 else "")
