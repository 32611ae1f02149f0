"""`unetfx bless`, `unbless` and `push`: a person's decisions about the model of a run."""

from pathlib import Path

import click

from data.errors import InputError
from data.files.finding import is_folder
from data.printable import printable, shell_path
from pipeline.config.config import Config
from pipeline.history import decisions
from pipeline.history.runs import Run, find_run
from pipeline.reports import publishing
from serving.card.card import ModelCard
from serving.card.files import read_card


def decide(config: Config, config_file: Path, name: str, why: str, *, blessed: bool) -> None:
    """Blesses the model of a run or withdraws its blessing, and suggests the next command.

    Args:
      config: The config of the pipeline.
      config_file: Path of the config file, to show in the suggested command.
      name: ID of the run or the beginning of the ID, or the short name of its model.
      why: Reason for the decision.
      blessed: True to bless the model, False to withdraw the blessing.

    Raises:
      InputError: No run with a report matches the name, several do, or `why` is empty.
    """
    run = find_run(config, name)
    decisions.decide(config, run.artifacts["Model"], blessed=blessed, why=why)
    run = find_run(config, run.id)
    publishing.publish(config, run)
    click.echo(printable(f"Run {run.id}: {run.decisions[-1]}"))
    option = f" --config {shell_path(config_file)}"
    if blessed:
        click.echo(f"Push it: unetfx push {run.id}{option}")
    elif run.pushed_folder and is_folder(run.pushed_folder):
        click.echo(
            f"The version {printable(run.pushed_folder)} is still served. Push an older model "
            f"instead: unetfx push RUN{option}"
        )


def push(config: Config, name: str) -> None:
    """Pushes the blessed model of a run as a new version.

    Args:
      config: The config of the pipeline.
      name: ID of the run or the beginning of the ID, or the short name of its model.

    Raises:
      InputError: No run with a report matches the name, several do, or the model of the run is not
        blessed, failed ServingCheck or cannot be loaded.
    """
    run = find_run(config, name)
    if not run.blessed:
        raise InputError(
            f"{run.id}: the model of this run is not blessed. Bless it: unetfx bless {run.id} "
            "--why TEXT"
        )
    if run.serves is False:
        raise InputError(
            f"{run.id}: the model of this run failed ServingCheck. The report gives the reason."
        )
    version = decisions.push(config, run.artifacts["Model"], _card(config, run))
    publishing.publish(config, find_run(config, run.id))
    number = Path(version).name
    click.echo(f"Pushed the model of run {run.id} as version {number}: {printable(version)}")


def _card(config: Config, run: Run) -> ModelCard | None:
    """Returns the model card of a run, with people's decisions and the texts of today's config."""
    folders = [folder for folder in (run.report and run.report.uri, run.published) if folder]
    card = next(filter(None, map(read_card, folders)), None)
    if card is None:
        return None
    verdict = card.verdict.model_copy(update={"decisions": list(map(str, run.decisions))})
    return card.model_copy(update={"verdict": verdict, "texts": config.card})
