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

from data.errors import UnetfxError
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT, DONE
from pipeline.kubeflow.package import compile_pipeline


def main() -> int:
    """Compiles the pipeline for the config file in `UNETFX_CONFIG`, and returns the exit code."""
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        package = compile_pipeline(load_config(config_path()), package)
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT
    print(f"Package   {os.path.relpath(package)}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
