"""A pytest plugin that prints the line coverage of a whole run, before pytest's closing line.

SlipCover measures the coverage. Its own report would come after the closing line.
"""

import collections
import copyreg
import json
import os
import types
from pathlib import Path

import pytest
from slipcover import probe

_LOW = 90  # per cent of lines

# SlipCover adds an object to each function that Python cannot pickle, but Beam pickles some of the
# functions. Their copies get an object that records nothing.
_nowhere = types.SimpleNamespace(newly_seen=collections.defaultdict(set))
_unused = (_nowhere, "", 1, -1)
copyreg.pickle(type(probe.new(*_unused)), lambda _: (probe.new, _unused))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the total, and the lines that no test ran in each module below 90 %."""
    # When the run ends, SlipCover's own plugin adds up the processes of the run in this file.
    merged = Path(os.environ["SLIPCOVER_COVERAGE_DIR"], "merged.json")
    files = json.loads(merged.read_text(encoding="utf-8"))["files"]
    run = {path: len(lines["executed_lines"]) for path, lines in files.items()}
    missing = {path: lines["missing_lines"] for path, lines in files.items()}
    total = 100 * sum(run.values()) / (sum(run.values()) + sum(map(len, missing.values())))
    terminalreporter.section(f"coverage: {total:.1f} % of lines")
    percents = {path: 100 * run[path] / max(run[path] + len(missing[path]), 1) for path in files}
    for path in sorted(files, key=percents.__getitem__):
        if percents[path] < _LOW:
            lines = ", ".join(map(str, missing[path]))
            terminalreporter.write_line(f"{percents[path]:5.1f} %  {path}: lines {lines}")
