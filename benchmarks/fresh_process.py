"""Runs a measurement in a new process, so that measurements do not affect each other."""

import json
import os
import subprocess
import sys
from typing import Any


def measure(module: str, *arguments: str, **environment: str) -> Any:
    """Runs one part of a benchmark in a new process.

    Args:
      module: Name of the benchmark's module.
      arguments: Command-line arguments, which select the part.
      environment: Environment variables to set in the process.

    Returns:
      The last line of the process's standard output, parsed as JSON.

    Raises:
      subprocess.CalledProcessError: The process failed.
    """
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return json.loads(process.stdout.splitlines()[-1])
