"""Chooses where the pairs of a source are listed, on this machine or on a Beam cluster.

This module imports Beam and TFX only when they are needed, so that a retraining without changes
ends quickly.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from data.config.sources import Source
from data.files.paths import is_remote
from data.jobs.processes import in_processes, in_this_process
from data.jobs.shuffle import run_job
from data.listing.listing import RunJob

_LOCAL = "FnApiRunner"


def listing_job(
    source: Source,
    beam_arguments: Sequence[str],
    folder: str,
    make_pipeline: Callable[[], Any] | None = None,
) -> RunJob:
    """Returns a function that runs the job that lists the pairs of a source.

    Args:
      source: Config of the source.
      beam_arguments: Beam options of the pipeline.
      folder: Folder for the result of a Beam job. All Beam workers must have access to the folder.
      make_pipeline: Creates a Beam pipeline; None to create the pipeline from `beam_arguments`.

    Returns:
      A function that runs the job on Beam, unless the Beam runner is `FnApiRunner`. In that case,
      the function runs the job on this machine: for local files, with one worker process for each
      CPU core; for remote files, in this process. Listing remote files is mostly waiting, and each
      worker process would have to load TensorFlow, which takes seconds.
    """
    runners = [text.partition("=")[2] for text in beam_arguments if text.startswith("--runner=")]
    if runners and runners[-1] != _LOCAL:
        make_pipeline = make_pipeline or functools.partial(_make_pipeline, list(beam_arguments))
        return functools.partial(_run_on_beam, make_pipeline, folder)
    remote = is_remote(getattr(source, "path", ""))
    return functools.partial(run_job, run_tasks=in_this_process if remote else in_processes)


def _run_on_beam(make_pipeline: Callable[[], Any], folder: str, *job: Any) -> Any:
    from components.beam_job import run_beam_job

    return run_beam_job(make_pipeline, folder, *job)


def _make_pipeline(beam_arguments: list[str]) -> Any:
    import apache_beam as beam
    from tfx.utils import dependency_utils

    return beam.Pipeline(argv=dependency_utils.make_beam_dependency_flags(beam_arguments))
