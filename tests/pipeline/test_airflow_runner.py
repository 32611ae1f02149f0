"""What a user is told before Airflow has anything to run; the rest is in e2e/test_airflow.py."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.pipeline.conftest import GOOD

RUNNER = Path(pipeline.__file__).parent / "airflow_runner.py"


def register(config, text):
    config.write_text(text)
    return subprocess.run(
        [sys.executable, RUNNER],
        cwd=config.parent,
        env=os.environ | {"UNETFX_CONFIG": str(config), "PYTHONPATH": str(RUNNER.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_config_without_the_section_is_told_what_to_write(tmp_path):
    done = register(tmp_path / "mine.yaml", GOOD)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"unetfx: {tmp_path}/mine.yaml: airflow: missing")
    assert "airflow: {schedule: 30 2 * * *}" in line
    assert not (tmp_path / "runs").exists()


def test_a_dag_without_its_deployment_says_where_it_comes_from(tmp_path):
    copy = shutil.copy(RUNNER, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"airflow\.json: no such file.*pipeline create"):
        runpy.run_path(copy, run_name="its_dag")
