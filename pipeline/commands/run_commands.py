"""Commands of `unetfx` about runs: start them, review them, and decide about their models."""

import sys
from pathlib import Path

import click

from data.files.paths import is_remote, join
from data.printable import printable
from pipeline.commands.options import config_option, run_argument, why_option
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to
from pipeline.execution.local_run import run_pipeline

# Most commands import their modules only when they run. TensorFlow and TFX take seconds to import,
# and write to standard error as they load, so `library_noise_to` must redirect it first.


@click.command()
@config_option
def run(config_file: Path) -> None:
    """Run the pipeline on this machine.

    Exit code 0: done. 1: unexpected failure. 2: the config or the data are wrong. 3: the model was
    not blessed, or failed ServingCheck.
    """
    sys.exit(run_pipeline(config_file))


@click.command()
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


@click.command()
@config_option
def runs(config_file: Path) -> None:
    """List past runs with their scores and pushed versions.

    Shows the data span, mean IoU, blessing and pushed version of each run, newest first, and the
    trials of each hyperparameter search.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "runs.txt", only_reads=True):
        from pipeline.commands.list_runs import list_runs

        list_runs(config, config_file)


@click.command()
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


@click.command()
@config_option
@run_argument
@why_option
def bless(config_file: Path, run: str, why: str) -> None:
    """Bless a model that the gate refused.

    The model of RUN can then be pushed, and later models are compared with it. RUN is the id of the
    run or the beginning of the id.
    """
    _decide(config_file, run, why, blessed=True)


@click.command()
@config_option
@run_argument
@why_option
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


@click.command()
@config_option
@run_argument
def push(config_file: Path, run: str) -> None:
    """Push a blessed model as a new version.

    Push the model of an older run to go back to that model. RUN is the id of the run or the
    beginning of the id.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "decisions.txt"):
        from pipeline.commands.decisions import push

        push(config, run)


COMMANDS = (run, retrain, runs, review, bless, unbless, push)
"""The commands of this module."""
