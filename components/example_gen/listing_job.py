"""Chooses where a source is listed: in processes of this machine, or on Beam.

This module imports neither Beam nor TFX before they are needed: a retraining without changes must
end quickly.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from data.files import is_remote
from data.processes import in_processes, in_this_process
from data.shuffle import run_job
from data.source_config import Source
from data.sources.listing import RunJob

_LOCAL = "DirectRunner"


def listing_job(
    source: Source,
    beam_arguments: Sequence[str],
    folder: str,
    make_pipeline: Callable[[], Any] | None = None,
) -> RunJob:
    """Returns the function that runs the job that lists a source.

    Args:
      source: Config of the source.
      beam_arguments: Beam options of the pipeline.
      folder: Folder for the result of a Beam job, which all workers reach.
      make_pipeline: Makes a Beam pipeline; None to make one with the options.

    Returns:
      A function that runs the job: on Beam if the runner is a cluster, otherwise in one process for
      each core. For remote files it is this process, since TensorFlow, which reads them, would
      start slowly in others, and since reading their names is mostly waiting.
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
