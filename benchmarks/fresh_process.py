"""A measurement in a process of its own, which has neither memory nor settings of another."""

import json
import os
import subprocess
import sys
from typing import Any


def measure(module: str, *arguments: str, **environment: str) -> Any:
    """Runs a benchmark's module once more, to do a part of its work.

    Args:
      module: Its name.
      arguments: Of its command line: which part.
      environment: Variables that are set there.

    Returns:
      The last line that it prints, read as JSON.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return json.loads(done.stdout.splitlines()[-1])
