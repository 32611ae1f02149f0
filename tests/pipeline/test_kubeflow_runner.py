"""The command that compiles the package; e2e/test_kubeflow.py tests the package."""

import os
import subprocess
import sys

from pipeline import kubeflow_runner
from pipeline.config.loading import ENVIRONMENT_VARIABLE
from tests.pipeline.conftest import changed


def test_a_config_without_a_kubeflow_section_is_refused_in_one_line(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(changed(workspace="gs://bucket/runs", data__source__path="gs://bucket/data"))
    process = subprocess.run(
        [sys.executable, kubeflow_runner.__file__, str(tmp_path / "package.yaml")],
        env=os.environ | {ENVIRONMENT_VARIABLE: str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stdout + process.stderr == (
        "unetfx: kubeflow: missing. Name the container image of the steps: kubeflow: {image: …}\n"
    )
    assert not (tmp_path / "package.yaml").exists()
