"""Runs one step of the pipeline in its container, through TFX's entry point.

    python -m pipeline.kubeflow.step ARGUMENTS…

TFX's compiler writes this command with its arguments into the package. Unlike TFX's own entry
point, this program reports bad input in one line, without a stack trace.
"""

import runpy
import sys

from data.errors import UnetfxError
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT, DONE

_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


def main() -> int:
    """Runs the step and returns the exit code: 0, or 2 for a `UnetfxError`, which is printed."""
    try:
        runpy.run_module(_ENTRY_POINT, run_name="__main__", alter_sys=True)
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT
    return DONE


if __name__ == "__main__":
    sys.exit(main())
