"""Keeps child processes from importing modules of the current folder, such as a user's `random.py`.

Python before 3.11 ignores the environment variable.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def safe_path() -> Iterator[None]:
    """Keeps processes that start in the `with` block from importing modules of the folder."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def environment_of_module() -> dict[str, str]:
    """Returns the environment for `python -m`, which finds the module by the current folder."""
    return {key: value for key, value in os.environ.items() if key != SAFE_PATH}
