"""A pytest plugin that prints the line coverage of a whole run, before pytest's closing line.

pytest-cov's own report has a line for every module; this one names only those below 90 %.
"""

import io

import pytest
from coverage import Coverage

_LOW = 90


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the total, and the lines that no test ran in each module below 90 %."""
    coverage = Coverage()
    coverage.load()
    low = {}
    for path in coverage.get_data().measured_files():
        _, statements, _, missing, lines = coverage.analysis2(path)
        if len(missing) * 100 > len(statements) * (100 - _LOW):
            low[path] = (100 - 100 * len(missing) / len(statements), lines)
    total = coverage.report(file=io.StringIO())
    terminalreporter.section(f"coverage: {total:.1f} % of lines")
    for path, (percent, lines) in sorted(low.items(), key=lambda item: item[1][0]):
        terminalreporter.write_line(f"{percent:5.1f} %  {path}: lines {lines}")
