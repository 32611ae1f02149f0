"""Script with which `tfx pipeline create` and `tfx run create` run the pipeline on this machine.

The environment variable `UNETFX_CONFIG` gives the path of the config file.
"""

import sys

from data.errors import UnetfxError
from pipeline.config.loading import config_path
from pipeline.execution.console import print_failure
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import BAD_INPUT


def main() -> int:
    """Runs the pipeline with the config file in `UNETFX_CONFIG`, and returns the exit code."""
    try:
        return run_pipeline(config_path())
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
