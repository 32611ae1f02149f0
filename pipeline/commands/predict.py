"""`unetfx predict`: masks and overlays of images, with progress."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from data.config import DataConfig
from data.errors import InputError
from data.progress import terminal_progress
from pipeline.config.config import Config
from pipeline.execution.console import library_noise_to
from pipeline.exit_codes import BAD_INPUT, DONE
from serving.client.client import ServingClient
from serving.files.image_files import find_images
from serving.files.predict import TABLE_FILE, Outcome, predict_files
from serving.palette import colour
from serving.prediction import Predictor

JOBS, JOBS_OF_SERVER = 1, 4
"""How many batches are worked on at a time: TensorFlow uses all cores for one; a server waits."""
TIMEOUT = 60.0
"""Seconds that a server may take."""


class Where(NamedTuple):
    """Which model is asked.

    Attributes:
      url: A server's address; None for the model that was pushed on this machine.
      name: The model's name on the server; None for the config's.
      version: The model's version; None for the newest, or the label's.
      label: The label of a version on the server.
      timeout: Seconds that the server may take for a batch; None for `TIMEOUT`.
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
    where: Where,
    *,
    batch: int = 1,
    jobs: int | None = None,
) -> int:
    """Segments images, and prints a line for each.

    Args:
      config: Names the model, its classes, and how large an image may be.
      patterns: Files, folders and globs.
      out: Folder for the masks, the overlays and the table.
      where: Which model is asked.
      batch: How many images are sent at once.
      jobs: How many batches are worked on at a time; None for `JOBS`, or `JOBS_OF_SERVER`.

    Returns:
      The exit code: 0 done, 2 if an image failed.

    Raises:
      InputError: The images or the model are not there; nothing has been written. Or the model
        could not be reached any more, or a file not be written.
    """
    images = find_images(patterns, out)
    log = Path(os.devnull) if where.url else config.home / "logs" / "predict.txt"
    with library_noise_to(log) as people, _model(config, where) as (model, data):
        jobs = jobs or (JOBS_OF_SERVER if where.url else JOBS)
        outcomes = predict_files(images, model, out, data, batch=batch, jobs=jobs)
        failed = _print(outcomes, len(images), model.classes, people)
    if failed and len(images) > 1:
        raise InputError(
            f"{failed} of {len(images)} images failed. Why is said above, and in {out / TABLE_FILE}"
        )
    return BAD_INPUT if failed else DONE


@contextmanager
def _model(config: Config, where: Where) -> Iterator[tuple[Predictor, DataConfig]]:
    if where.url is None:
        _refuse_options_of_servers(where)
        # Imported here: TensorFlow takes seconds to load.
        from serving.model.description import model_intensity_range
        from serving.model.loading import ServedModel
        from serving.model.versions import newest_version, pushed_version

        folder = config.serving_folder
        version = (
            newest_version(folder)
            if where.version is None
            else pushed_version(folder, where.version)
        )
        trained_with = {"intensity_range": model_intensity_range(version)}
        yield ServedModel(version), config.data.model_copy(update=trained_with)
        return
    with ServingClient(
        where.url,
        where.name or config.name,
        config.data.classes,
        version=where.version,
        label=where.label,
        timeout=where.timeout or TIMEOUT,
    ) as client:
        client.check()  # before an image is read
        yield client, config.data


def _refuse_options_of_servers(where: Where) -> None:
    given = {"--name": where.name, "--label": where.label, "--timeout": where.timeout}
    for option in (option for option, value in given.items() if value is not None):
        raise InputError(f"{option}: only with --url, the address of a server.")


def _print(outcomes: Iterator[Outcome], count: int, classes: Sequence[str], people: TextIO) -> int:
    """Prints a line for each image, and returns how many failed."""
    failed = 0
    # The legend of masks and overlays; where there is no terminal, click leaves colours out.
    names = [click.style(name, fg=colour(class_id)) for class_id, name in enumerate(classes)]
    console = Console(file=people, highlight=False, soft_wrap=True)
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
                console.print(f"unetfx: {outcome.error}", markup=False)
                continue
            shares = zip(names, outcome.class_fraction, strict=True)
            text = ", ".join(f"{name} {share:.1%}" for name, share in shares)
            click.echo(f"{outcome.image.path}: {text}")
    return failed
