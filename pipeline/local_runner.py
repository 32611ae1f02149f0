"""Script with which `tfx pipeline create` and `tfx run create` run the pipeline on this machine.

The environment variable `UNETFX_CONFIG` gives the path of the config file.
"""

import sys

from pipeline.config.loading import config_path
from pipeline.execution.entry import exit_code_of
from pipeline.execution.local_run import run_pipeline


def main() -> int:
    """Runs the pipeline with the config file in `UNETFX_CONFIG`, and returns the exit code."""
    return exit_code_of(lambda: run_pipeline(config_path()))


if __name__ == "__main__":
    sys.exit(main())
