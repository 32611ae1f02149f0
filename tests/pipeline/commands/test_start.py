"""The program `unetfx` as the first process of a container, while it imports its modules."""

import os
import signal
import subprocess
import sys
from pathlib import Path

FIRST = """
import os
from pipeline.execution import first_process
first_process._FIRST = os.getpid()
"""
SLOW = "import time; print('importing', flush=True); time.sleep(60)"


def test_sigterm_ends_the_program_before_its_modules_are_imported(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FIRST)
    (tmp_path / "click.py").write_text(SLOW)
    process = subprocess.Popen(
        [Path(sys.executable).parent / "unetfx", "--help"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
