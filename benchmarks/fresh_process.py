"""Runs a measurement in a new process, which shares no memory or settings with others."""

import json
import os
import subprocess
import sys
from typing import Any


def measure(module: str, *arguments: str, **environment: str) -> Any:
    """Runs the module of a benchmark in a new process, to do one part of its work.

    Args:
      module: Name of the module.
      arguments: Command-line arguments, which select the part.
      environment: Environment variables to set in the process.

    Returns:
      The last line of its output, parsed as JSON.
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
