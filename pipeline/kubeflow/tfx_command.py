"""TFX's command `tfx`, with an engine `kubeflow` that works with Kubeflow Pipelines 2.

This project installs the command in place of TFX's own, whose engine `kubeflow` ends with an
`ImportError`. All other engines are unchanged.
"""

import sys

from tfx.tools.cli.cli_main import cli_group

from pipeline.kubeflow import tfx_handler


def main() -> None:
    """Runs the command `tfx`."""
    # TFX has no way to add or replace a handler. It imports each one by name when it is used.
    sys.modules["tfx.tools.cli.handler.kubeflow_handler"] = tfx_handler
    cli_group()


if __name__ == "__main__":
    main()
