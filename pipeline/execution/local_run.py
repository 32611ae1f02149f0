"""Runs the pipeline once on this machine and prints its progress."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from components.evaluator.slice_names import refuse_unknown_columns
from data.errors import UnetfxError, one_line
from data.files.file_systems import system_error
from data.listing.listing import find_columns
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure, print_steps
from pipeline.execution.local_workspace import full_disk, refuse_files_as_folders
from pipeline.execution.lock import only_one
from pipeline.execution.remote_workspace import link_workspace
from pipeline.exit_codes import DONE, FAILED, NOT_BLESSED

if TYPE_CHECKING:
    from pipeline.history.runs import Run


class RunResult(NamedTuple):
    """The result of a pipeline run.

    Attributes:
      code: Exit code of the command (see `pipeline.exit_codes`).
      run: The finished run; None if the run failed, or if `tfx pipeline create` only registered the
        pipeline.
      report: Folder of the published report; None if `run` is None.
      failure: Error message of an unexpected failure; None if there was none.
    """

    code: int
    run: Run | None = None
    report: str | None = None
    failure: str | None = None


def run_pipeline(config_file: Path) -> int:
    """Runs the pipeline once, and prints its progress and a summary.

    Args:
      config_file: Path of the config file.

    Returns:
      The exit code: 0 if the run finished and no model was refused, 1 for an unexpected failure, 3
      if the gate or ServingCheck refused the model.

    Raises:
      UnetfxError: The data or the config are invalid, the Beam runner cannot be reached, or another
        process is running this pipeline.
    """
    config = load_config(config_file)
    with only_one(config.home, "unetfx run"):
        return run_locked(config, config_file).code


def run_locked(config: Config, config_file: Path) -> RunResult:
    """Runs the pipeline once and prints its progress; the caller must hold the pipeline's lock.

    Args:
      config: The config of the pipeline.
      config_file: Path of the config file, to show in the suggested command.

    Returns:
      The result of the run.

    Raises:
      UnetfxError: The data or the config are invalid, the Beam runner cannot be reached, or the
        disk is full.
    """
    log = config.home / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.txt")
    with library_noise_to(log):
        try:
            return _run(config, config_file)
        except UnetfxError:
            raise
        except OSError as error:
            traceback.print_exc()
            raise system_error(error) from error
        except Exception as error:
            traceback.print_exc()
            if full := full_disk(config):
                raise full from error
            reason = f"{type(error).__name__}: {one_line(error)}"
    print_failure(f"unexpected failure: {reason}", f"The details are in {log}")
    return RunResult(FAILED, failure=reason)


def _run(config: Config, config_file: Path) -> RunResult:
    refuse_files_as_folders(config)
    link_workspace(config)
    if columns := config.columns_to_slice_by:
        # GateCheck would also reject unknown columns, but only after all files have been read, so
        # the columns are checked here first.
        refuse_unknown_columns(columns, find_columns(config.data))
    from pipeline.execution.beam_engine import out_of_cache, refuse_unreachable

    refuse_unreachable(config.beam)
    # These imports come late, because TensorFlow and TFX take seconds to load, and also write
    # messages to standard error, which must be redirected first.
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
    # Under `tfx pipeline create`, LocalDagRunner only registers the pipeline and starts no run.
    if run is None or run == before:
        return RunResult(DONE)
    report = publish(config, run)
    print_summary(config, config_file, run, report)
    return RunResult(DONE if run.blessed and run.serves else NOT_BLESSED, run, report)
