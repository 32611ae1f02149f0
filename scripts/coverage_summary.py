"""A pytest plugin that prints the line coverage of a whole run, before pytest's closing line.

The report of pytest-cov has a line for every module; this report names only modules below 90 %.
"""

import io
import os
import warnings
from pathlib import Path

import pytest
from coverage import Coverage
from coverage.exceptions import CoverageWarning

_LOW = 90  # per cent of lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the total, and the lines that no test ran in each module below 90 %."""
    coverage = Coverage()
    coverage.load()
    with warnings.catch_warnings():
        # The temporary files of AutoGraph no longer exist.
        warnings.simplefilter("ignore", CoverageWarning)
        total = coverage.report(file=io.StringIO(), ignore_errors=True)
    low = []
    for path in filter(os.path.exists, coverage.get_data().measured_files()):
        _, statements, _, missing, lines = coverage.analysis2(path)
        percent = 100 - 100 * len(missing) / max(len(statements), 1)
        if percent < _LOW:
            low.append((percent, Path(path).relative_to(Path.cwd()), lines))
    terminalreporter.section(f"coverage without tests/e2e: {total:.1f} % of lines")
    for percent, path, lines in sorted(low):
        terminalreporter.write_line(f"{percent:5.1f} %  {path}: lines {lines}")
