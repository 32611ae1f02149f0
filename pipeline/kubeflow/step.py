"""Runs one step of the pipeline in its container, through TFX's entry point.

    python -m pipeline.kubeflow.step ARGUMENTS…

TFX's compiler writes the arguments into the package. Unlike TFX's entry point, this program works
with the launcher of Kubeflow Pipelines, and reports bad input in one line.
"""

import runpy
import sys
from contextlib import suppress
from pathlib import Path

from data.errors import UnetfxError
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT, DONE
from pipeline.kubeflow.launcher import LaunchedStep, is_launched

_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_TERMINATION_MESSAGE = Path("/dev/termination-log")  # Kubernetes puts this file into each container
_MAX_LENGTH = 4096  # of a termination message, in bytes


def main() -> int:
    """Runs the step and returns the exit code; bad input is reported without a stack trace."""
    try:
        if is_launched():
            step = LaunchedStep(sys.argv[1:])
            sys.argv[1:] = step.prepare()
            _run()
            step.finish()
        else:
            _run()
    except UnetfxError as error:
        print_failure(str(error))
        _explain(str(error))
        return BAD_INPUT
    return DONE


def _run() -> None:
    try:
        runpy.run_module(_ENTRY_POINT, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        # TFX's entry point ends in this way also after success.
        if end.code:
            raise


def _explain(message: str) -> None:
    """Writes an error where Kubernetes and the page of the run show the reason of a failure.

    The launcher writes its own lines into the log of the container after the lines of the step.
    """
    with suppress(OSError):
        if _TERMINATION_MESSAGE.is_file():
            text = message.encode()[:_MAX_LENGTH].decode(errors="ignore")
            _TERMINATION_MESSAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
