"""Runs the pipeline once on this machine, with progress."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from components.evaluator.slice_names import refuse_unknown_columns
from data.errors import UnetfxError
from data.sources.pairs import find_columns
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure, print_steps
from pipeline.execution.lock import only_one
from pipeline.exit_codes import DONE, FAILED, NOT_BLESSED

_LONGEST_REASON = 300  # characters: TensorFlow puts whole graphs into messages


if TYPE_CHECKING:
    from pipeline.history.runs import Run


class Ended(NamedTuple):
    """How a run ended.

    Attributes:
      code: The exit code.
      run: The run, if it went to its end; None if it failed, or was only registered.
      report: The folder of its report; None likewise.
      failure: What failed unexpectedly; None if nothing did.
    """

    code: int
    run: Run | None = None
    report: Path | None = None
    failure: str | None = None


def run_pipeline(config_file: Path) -> int:
    """Runs the pipeline once, with progress, and prints what came of it.

    Args:
      config_file: The config file.

    Returns:
      The exit code: 0 done, 1 an unexpected failure, 3 not blessed, by the gate or by ServingCheck.

    Raises:
      InputError: The data or the config are wrong, or another process runs this pipeline.
    """
    config = load_config(config_file)
    with only_one(config.home, "unetfx run"):
        return run_locked(config, config_file).code


def run_locked(config: Config, config_file: Path) -> Ended:
    """Does what `run_pipeline` does, for who holds the lock on the pipeline's folder.

    Args:
      config: The config.
      config_file: Where it was read from.

    Returns:
      How the run ended.

    Raises:
      InputError: The data or the config are wrong.
    """
    log = config.home / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.txt")
    with library_noise_to(log):
        try:
            return _run(config, config_file)
        except UnetfxError:
            raise
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST_REASON]}"
    print_failure(f"unexpected failure: {reason}", f"The whole story is in {log}")
    return Ended(FAILED, failure=reason)


def _run(config: Config, config_file: Path) -> Ended:
    if columns := config.columns_to_slice_by:
        # GateCheck would find out too, but only when all files have been read.
        refuse_unknown_columns(columns, find_columns(config.data))
    from pipeline.execution.beam_engine import out_of_cache, refuse_unreachable

    refuse_unreachable(config.beam)
    # Imported here: TensorFlow and TFX take seconds to load, and talk while they do.
    from tfx import v1 as tfx

    from pipeline.create_pipeline import create_pipeline
    from pipeline.history.runs import latest_run
    from pipeline.reports.publishing import publish
    from pipeline.reports.summary import print_summary

    before = latest_run(config)
    pipeline = create_pipeline(config)
    with print_steps(), out_of_cache(pipeline):
        tfx.orchestration.LocalDagRunner().run(pipeline)
    run = latest_run(config)
    if run is None or run == before:  # `tfx pipeline create` only registers the pipeline
        return Ended(DONE)
    report = publish(config, run)
    print_summary(config, config_file, run, report)
    return Ended(DONE if run.blessed and run.serves else NOT_BLESSED, run, report)
