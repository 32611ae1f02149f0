"""Runs one step of the pipeline in its container by calling TFX's entry point.

    python -m pipeline.kubeflow.step ARGUMENTS…

TFX's compiler writes this command and its arguments into the package. For invalid input, TFX's own
entry point would print a stack trace; this program prints only the error message.
"""

import runpy
import sys

from data.errors import UnetfxError
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT, DONE

_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


def main() -> int:
    """Runs the step and returns 0; for a `UnetfxError`, prints the message and returns 2."""
    try:
        runpy.run_module(_ENTRY_POINT, run_name="__main__", alter_sys=True)
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT
    return DONE


if __name__ == "__main__":
    sys.exit(main())
