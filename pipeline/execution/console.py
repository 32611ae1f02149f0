"""Prints component progress and error messages to the terminal, and redirects library logs."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from data.errors import InputError
from data.printable import printable

_STEPS = {
    "ExampleGen": "converts image pairs to TFRecords",
    "StatisticsGen": "computes statistics of each split",
    "SchemaGen": "reads or infers the schema",
    "ExampleValidator": "checks the data for anomalies and drift",
    "GateCheck": "checks that the gate can decide",
    "WarmStart": "finds a blessed model to start from",
    "Tuner": "searches hyperparameters",
    "Trainer": "trains the network",
    "Baseline": "finds the last blessed models",
    "Evaluator": "evaluates the model, applies the gate",
    "InfraValidator": "loads the model in TF Serving",
    "ServingCheck": "checks that the model can be served",
    "Report": "collects metrics and pictures",
    "Pusher": "pushes the model if it is blessed",
}
_STDERR = 2


@contextmanager
def library_noise_to(log: Path, *, only_reads: bool = False) -> Iterator[TextIO]:
    """Redirects standard error to a file within the context, to keep library logs off the terminal.

    The file descriptor itself is redirected, because C++ libraries do not use `sys.stderr`.

    Args:
      log: Path of the log file; the file and its folder are created if necessary.
      only_reads: Whether the command only reads the workspace. If the log file of such a command
        cannot be written, for example on a read-only volume, the logs are dropped.

    Yields:
      The original standard error, for messages to the user.

    Raises:
      InputError: The log file cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("a")
    except OSError as error:
        if not only_reads:
            raise unwritable(log, error) from error
        file = Path(os.devnull).open("a")  # noqa: SIM115, closed below
    sys.stderr.flush()
    saved = os.dup(_STDERR)
    with file:
        os.dup2(file.fileno(), _STDERR)
    try:
        with os.fdopen(saved, "w", closefd=False) as original:
            yield original
    finally:
        sys.stderr.flush()
        os.dup2(saved, _STDERR)
        os.close(saved)


def unwritable(path: Path, error: OSError) -> InputError:
    """Returns the error for a file of the workspace that cannot be written."""
    return InputError(
        f"{path}: cannot be written by user {os.getuid()} ({error.strerror}). Check workspace in "
        "the config, and who may write there."
    )


@contextmanager
def log_lines_of(package: str) -> Iterator[None]:
    """Prints a package's log messages, with timestamps, to standard output within the context.

    Args:
      package: Name of the Python package, such as `serving`.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_make_printable)
    logger = logging.getLogger(package)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def _make_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


@contextmanager
def print_steps() -> Iterator[None]:
    """Prints a line for each component that TFX's local runner runs within the context."""
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
    """Prints an error message to standard error; each line starts with `unetfx:`."""
    for line in "\n".join(lines).split("\n"):
        print(f"unetfx: {printable(line)}", file=sys.stderr, flush=True)


class _Steps(logging.Handler):
    """Prints progress based on the log messages of TFX's local runner, which has no callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self._line_is_open = False
        self._cached = False
        self._began = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Component %s is running.":
            (name,) = record.args or ("",)
            self._began, self._cached, self._line_is_open = time.monotonic(), False, True
            print(f"{name:<18}{_STEPS.get(str(name), ''):<40}", end="", flush=True)
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            print(
                "unchanged" if self._cached else f"{time.monotonic() - self._began:.0f} s",
                flush=True,
            )
            self._line_is_open = False

    def end(self) -> None:
        """Ends the current line with `failed` if the last component did not finish."""
        if self._line_is_open:
            print("failed", flush=True)
