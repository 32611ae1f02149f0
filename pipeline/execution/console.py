"""What a person sees while the pipeline runs: its steps, and not the libraries' talk."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_STEPS = {
    "ExampleGen": "pairs of files to TFRecords",
    "StatisticsGen": "statistics of each split",
    "SchemaGen": "what the examples should look like",
    "ExampleValidator": "whether they do; drift between spans",
    "GateCheck": "whether the gate can decide on them",
    "WarmStart": "finds a blessed model to begin with",
    "Tuner": "searches hyperparameters",
    "Trainer": "trains the network",
    "Baseline": "finds the last blessed models",
    "Evaluator": "IoU on the test split, and the gate",
    "InfraValidator": "whether TF Serving loads the model",
    "ServingCheck": "whether the model serves as it should",
    "Report": "a page of metrics and pictures",
    "Pusher": "pushes the model, if blessed",
}
_STDERR = 2


@contextmanager
def library_noise_to(log: Path) -> Iterator[TextIO]:
    """Sends the standard error stream, of Python and of C++, to a file: libraries talk there.

    Args:
      log: The file; it is made, with its folder.

    Yields:
      The stream that a person still sees.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    shown = os.dup(_STDERR)
    with log.open("a") as file:
        os.dup2(file.fileno(), _STDERR)
    try:
        with os.fdopen(shown, "w", closefd=False) as people:
            yield people
    finally:
        sys.stderr.flush()
        os.dup2(shown, _STDERR)
        os.close(shown)


@contextmanager
def log_lines_of(package: str) -> Iterator[None]:
    """Prints what one of our packages logs, a line for each event, with its time.

    Args:
      package: The package's name.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger(package)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@contextmanager
def print_steps() -> Iterator[None]:
    """Prints a line for each component that the local runner runs."""
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.INFO)
    handler = _Steps()
    absl_logging.get_absl_logger().addHandler(handler)
    try:
        yield
    finally:
        absl_logging.get_absl_logger().removeHandler(handler)
        handler.end()


def print_failure(*lines: str) -> None:
    """Prints what went wrong, for a person."""
    for line in "\n".join(lines).splitlines():
        print(f"unetfx: {line}", file=sys.stderr, flush=True)


class _Steps(logging.Handler):
    """Follows the local runner by what it logs: it has no other hook."""

    def __init__(self) -> None:
        super().__init__()
        self._line_is_open = False
        self._cached = False
        self._began = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Component %s is running.":
            (name,) = record.args or ("",)
            self._began, self._cached, self._line_is_open = time.monotonic(), False, True
            print(f"{name:<18}{_STEPS.get(str(name), ''):<38}", end="", flush=True)
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            print(
                "unchanged" if self._cached else f"{time.monotonic() - self._began:.0f} s",
                flush=True,
            )
            self._line_is_open = False

    def end(self) -> None:
        """Ends the line of a step that failed."""
        if self._line_is_open:
            print("failed", flush=True)
