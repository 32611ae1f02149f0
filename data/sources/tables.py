"""Reads tables row by row: CSV files with a header, and JSON files with one object per line."""

import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from data.errors import InputError, one_line
from data.files.reading import read_text_lines

_DELIMITERS = (",", ";", "\t")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")  # as escapes, JSON may contain halves of a pair


def read_table(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads the rows of a table.

    Args:
      path: Path of the table, local or remote: a JSON Lines file if the suffix is `.jsonl`,
        otherwise a CSV file, whose columns may also be separated by semicolons or tabs.

    Yields:
      For each row, the number of its first line, and the text of its cells by column name, without
      leading and trailing white space. Empty lines are left out.

    Raises:
      InputError: The file cannot be read, a row is malformed, or a cell contains a character that
        no path or feature can contain.
    """
    for line, cells in _read_csv(path) if _is_csv(path) else _read_json(path):
        for text in (*cells, *cells.values()):
            if found := _NOT_TEXT.search(text):
                raise InputError(
                    f"{path}:{line}: a cell contains the character {found[0]!a}. Remove it."
                )
        yield line, cells


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
    return not path.lower().endswith(".jsonl")


def _read_csv(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    lines = read_text_lines(path)
    above = []  # empty lines, and the header
    for text in lines:
        above.append(text)
        if text.strip():
            break
    reader = csv.reader(
        itertools.chain(above, lines),
        delimiter=_delimiter("".join(above)),
        skipinitialspace=True,
        strict=True,
    )
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
                        f"columns {columns}. Put a cell with the separator in "
                        "quotes."
                    )
                yield line, dict(zip(columns, cells, strict=True))
            # `line` counts lines, not rows, because a quoted cell may contain line breaks.
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}:{line}: not CSV ({error}). A cell in quotes has no spaces around the quotes."
        ) from error


def _delimiter(header: str) -> str:
    """Returns the character between the columns; spreadsheets in many languages use semicolons."""
    plain = re.sub('"[^"]*"', "", header)
    return next((each for each in _DELIMITERS if each in plain), _DELIMITERS[0])


def _refuse_twins(columns: Sequence[str], place: str) -> None:
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise InputError(f"{place}: two columns are named {twice[0]!r}. Rename one of them.")


def _read_json(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(read_text_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
            cells = isinstance(row, dict) and {name: _text(cell) for name, cell in row.items()}
        except _RepeatedKeyError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not JSON ({one_line(error)}).") from error
        if cells is False:
            raise InputError(
                f"{path}:{number}: expected an object with a value for each column, found "
                f"{one_line(line)!r}."
            )
        yield number, cells


class _RepeatedKeyError(Exception):
    """An object in a JSON file has the same key twice."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        (name, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _RepeatedKeyError(f"the key {name!r} is given twice. Keep one.")
    return content


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else json.dumps(cell)
