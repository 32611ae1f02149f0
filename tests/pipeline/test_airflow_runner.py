"""The DAG file, tested without Airflow; e2e/test_airflow.py tests it in Airflow."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline import exit_codes
from tests.pipeline.conftest import GOOD, changed

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


def test_a_config_without_an_airflow_section_is_refused(tmp_path):
    process = register(tmp_path / "mine.yaml", GOOD)
    assert process.returncode == 2
    assert process.stdout == ""
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"unetfx: {tmp_path}/mine.yaml: airflow: missing")
    assert "airflow: {schedule: 30 2 * * *}" in line
    assert not (tmp_path / "runs").exists()


def test_a_workspace_in_a_bucket_is_refused(tmp_path):
    config = changed(airflow={}, workspace="gs://bucket/runs")
    process = register(tmp_path / "mine.yaml", config)
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith(
        "unetfx: workspace: gs://bucket/runs is in a bucket, but the Airflow task"
    )


def test_a_dag_without_its_settings_names_the_command_that_writes_them(tmp_path):
    copy = shutil.copy(RUNNER, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"airflow\.json: no such file.*pipeline create"):
        runpy.run_path(copy, run_name="dag")


def test_its_exit_codes_equal_those_of_the_pipeline():
    copies = re.findall(r"^_(DONE|BAD_INPUT|NOT_BLESSED) = (\d)$", RUNNER.read_text(), re.MULTILINE)
    assert len(copies) == 3
    for name, code in copies:
        assert int(code) == getattr(exit_codes, name)
