"""Memory: flat in the number of images, and bounded in their size."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROCESS = Path(__file__).with_name("evaluation_process.py")
_GIB = 2**20  # in KiB, as Linux counts the most that a process had in memory


def test_a_large_image_among_small_ones_stays_within_3_gib(tmp_path):
    done = subprocess.run(
        [sys.executable, PROCESS, tmp_path], stdout=subprocess.PIPE, text=True, check=True
    )
    assert int(done.stdout.splitlines()[-1]) < 3 * _GIB
