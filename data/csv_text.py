"""Writes tables as CSV text that spreadsheets open without running formulas in it."""

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = re.compile("[=+\\-@\t\r]")  # first characters of a formula, in any spreadsheet


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Returns rows as CSV text in which no cell is a formula.

    All cells are in quotes, because spreadsheets also divide a line at semicolons and tabs.

    Args:
      rows: The cells of each row. A cell that begins like a formula, with `=`, `+`, `-` or `@`,
        gets a single quotation mark before it, by which spreadsheets know text.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([f"'{cell}" if _FORMULA.match(cell) else cell for cell in row] for row in rows)
    return text.getvalue()


def path_cell(path: str) -> str:
    """Returns a path that is no formula: `=1.png` and `./=1.png` are the same file."""
    return f"./{path}" if _FORMULA.match(path) else path
