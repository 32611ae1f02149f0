"""Runs one step of the pipeline in its container by calling TFX's entry point.

    python -m pipeline.kubeflow.step ARGUMENTS…

TFX's compiler writes this command and its arguments into the package. TFX's own entry point does
not work with the launcher of Kubeflow Pipelines, and prints a stack trace for invalid input. This
program translates between the launcher and the entry point, and prints only the error message.
"""

import runpy
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.execution.console import print_failure
from pipeline.execution.entry import exit_code_of
from pipeline.exit_codes import DONE
from pipeline.kubeflow.launcher import LaunchedStep, is_launched

_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_TERMINATION_MESSAGE = Path("/dev/termination-log")  # a file that Kubernetes adds to each container
_MAX_LENGTH = 4096  # maximum length of a termination message, in bytes


def main() -> int:
    """Runs the step, and returns the exit code; 2 after an error that is meant for the user."""
    return exit_code_of(_step, _show)


def _step() -> int:
    if is_launched():
        step = LaunchedStep(sys.argv[1:])
        sys.argv[1:] = step.prepare()
        _run()
        step.finish()
    else:
        _run()
    return DONE


def _run() -> None:
    try:
        runpy.run_module(_ENTRY_POINT, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        # TFX's entry point raises `SystemExit` after success, too.
        if end.code:
            raise


def _show(message: str) -> None:
    """Prints an error message, and writes it to the termination message of the container.

    Kubernetes and the web page of the run show the termination message as the reason for the
    failure. In the container's log, the message is harder to find, because the launcher appends its
    own lines.
    """
    print_failure(message)
    with suppress(OSError):
        if _TERMINATION_MESSAGE.is_file():
            text = message.encode()[:_MAX_LENGTH].decode(errors="ignore")
            _TERMINATION_MESSAGE.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
