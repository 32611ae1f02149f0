"""The command `tfx`, with an engine `kubeflow` that works with Kubeflow Pipelines 2.

This project installs the command in place of TFX's own command `tfx`, whose engine `kubeflow` fails
with an `ImportError`. All other engines are those of TFX.
"""

import sys

from tfx.tools.cli.cli_main import cli_group

from pipeline.execution.entry import exit_code_of
from pipeline.kubeflow import tfx_handler


def main() -> None:
    """Runs the command `tfx`; an error for the user is printed, and the exit code is 2."""
    # TFX has no interface for adding or replacing an engine. It imports the module of an engine by
    # name when a command uses the engine, and finds this project's module in its place.
    sys.modules["tfx.tools.cli.handler.kubeflow_handler"] = tfx_handler
    sys.exit(exit_code_of(cli_group))


if __name__ == "__main__":
    main()
