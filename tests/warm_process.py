"""Processes that start with TensorFlow and TFX already imported.

The imports take ten seconds of CPU time. The fork server of multiprocessing imports the modules
once. The server runs no TensorFlow operation, after which a fork would not be safe. Each process is
a fork of the server.
"""

import gc
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
    "pipeline",  # first: sets TF_ENABLE_ONEDNN_OPTS before TensorFlow is imported
    "pipeline.create_pipeline",
    "pipeline.commands.cli",
    "pipeline.reports.comparison",
    "pipeline.reports.summary",
    "pipeline.retraining.cleaning",
    "serving.server.serve",
    "tests.quick_beam",
    "tests.warm_probe",
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
    """Starts a process in which TensorFlow and TFX are already imported.

    Args:
      entry_point: `module:function`, as for a console script.
      arguments: Command-line arguments; the first is the name of the program.
      output: File to which standard output and standard error are appended.
      environment: Environment variables that the process gets besides the variables of this
        process, or that override them.
      folder: Working folder of the process; None for the current folder.

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
    """Starts a process and waits for its end; the arguments are the same as for `start`."""
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
    gc.freeze()  # else each collection would visit the objects of all imported modules
    gc.set_threshold(50_000, 20, 20)  # as in tests/conftest.py
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
        # Without this shutdown, multiprocessing would wait until loky's idle workers time out.
        get_reusable_executor(reuse=True).shutdown()
