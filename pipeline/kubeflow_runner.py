"""Compiles the pipeline into a package for Kubeflow Pipelines or Vertex AI.

    python pipeline/kubeflow_runner.py [PACKAGE]
    tfx pipeline create --engine vertex --pipeline_path pipeline/kubeflow_runner.py

The environment variable `UNETFX_CONFIG` gives the path of the config file. If PACKAGE ends in
`.json`, it is written as JSON for Vertex AI; otherwise, it is written as YAML for Kubeflow
Pipelines.
"""

import os
import sys
from pathlib import Path

from pipeline.config.loading import config_path, load_config
from pipeline.execution.entry import exit_code_of
from pipeline.exit_codes import DONE
from pipeline.kubeflow.package import compile_pipeline


def main() -> int:
    """Compiles the pipeline for the config file in `UNETFX_CONFIG`, and returns the exit code."""
    return exit_code_of(_compile)


def _compile() -> int:
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    package = compile_pipeline(load_config(config_path()), package)
    print(f"Package   {os.path.relpath(package)}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
