"""Processes that start with TensorFlow and TFX already imported.

The imports take ten seconds of CPU time. Python's fork server does them once, before any operation
of TensorFlow runs, and each process is a fork of that server.
"""

import importlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loky import get_reusable_executor

_IMPORTED_ONCE = [
    "pipeline",  # first: it sets environment variables for TensorFlow
    "pipeline.create_pipeline",
    "pipeline.commands.cli",
    "pipeline.reports.comparison",
    "pipeline.reports.summary",
    "pipeline.retraining.cleaning",
    "serving.server.serve",
    "tests.warm_process",
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_IMPORTED_ONCE)
UNETFX = "pipeline.commands.cli:main"


class Finished(NamedTuple):
    """Exit code and output of a process that has ended."""

    code: int
    output: str


def start(
    entry_point: str,
    arguments: Sequence[object],
    output: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> multiprocessing.Process:
    """Starts a process.

    Args:
      entry_point: `module:function`, as for a console script.
      arguments: Command-line arguments; the first is the name of the program.
      output: File to which both output streams are appended.
      environment: Environment variables that differ from those of this process.
      folder: Working folder; None for the one of this process.

    Returns:
      The process. Its `exitcode` is the exit code, or a negative signal number.
    """
    variables = os.environ | (environment or {})
    words = [*map(str, arguments)]
    options = (entry_point, words, output, dict(variables), folder or Path.cwd())
    process = _context.Process(target=_run, args=options)
    process.start()
    return process


def run(
    entry_point: str,
    arguments: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Finished:
    """Runs a process to its end. The arguments are those of `start`."""
    with tempfile.NamedTemporaryFile() as output:
        path = Path(output.name)
        process = start(entry_point, arguments, path, environment=environment, folder=folder)
        process.join()
        return Finished(process.exitcode, path.read_text())


def _run(
    entry_point: str,
    arguments: list[str],
    output: Path,
    variables: dict[str, str],
    folder: Path,
) -> None:
    with output.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = arguments
    module, _, function = entry_point.partition(":")
    try:
        sys.exit(getattr(importlib.import_module(module), function)())
    finally:
        # multiprocessing would otherwise wait until loky's workers are idle.
        get_reusable_executor(reuse=True).shutdown()
