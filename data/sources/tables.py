"""Reads tables row by row: CSV files with a header, and JSON files with one object per line."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from data.errors import InputError
from data.files.reading import read_text_lines


def read_table(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads the rows of a table.

    Args:
      path: Path of the table, local or remote: a CSV file if the suffix is `.csv`, otherwise a JSON
        Lines file.

    Yields:
      For each row, the number of its first line, and the text of its cells by column name, without
      leading and trailing white space. Empty lines are left out.

    Raises:
      InputError: The file cannot be read, or a row is malformed.
    """
    return _read_csv(path) if _is_csv(path) else _read_json(path)


def column_names(path: str) -> list[str]:
    """Lists the names of a table's columns.

    Args:
      path: Path of the table, local or remote (see `read_table`).

    Returns:
      The names in the header of a CSV file, or the names that occur in any row of a JSON Lines
      file; empty if the table has no rows.

    Raises:
      InputError: The file cannot be read, or a row is malformed.
    """
    columns: dict[str, None] = {}
    for _, cells in read_table(path):
        columns |= dict.fromkeys(cells)
        if _is_csv(path):
            break
    return list(columns)


def _is_csv(path: str) -> bool:
    return path.lower().endswith(".csv")


def _read_csv(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(read_text_lines(path), strict=True)
    columns: list[str] = []
    line = 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells) and not columns:
                columns = cells
                _refuse_twins(columns, f"{path}:{line}")
            elif any(cells):
                if len(cells) != len(columns):
                    raise InputError(
                        f"{path}:{line}: found {len(cells)} cells, expected one for each of the "
                        f"columns {columns}. Put a cell with a comma in quotes."
                    )
                yield line, dict(zip(columns, cells, strict=True))
            # `line` counts lines, not rows, because a quoted cell may contain line breaks.
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: not CSV ({error}).") from error


def _refuse_twins(columns: Sequence[str], place: str) -> None:
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise InputError(f"{place}: two columns are named {twice[0]!r}. Rename one of them.")


def _read_json(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(read_text_lines(path), 1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: not JSON ({error}).") from error
        if not isinstance(cells, dict):
            raise InputError(
                f"{path}:{number}: expected an object with a value for each column, found "
                f"{line.rstrip()!r}."
            )
        yield number, {column: _text(cell) for column, cell in cells.items()}


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else json.dumps(cell)
