"""Reads and writes the user's schema file, and detects whether the user has edited it."""

import hashlib

from data.files.finding import is_file
from data.files.reading import read_text
from data.files.writing import write_text


def write_inferred_schema(path: str, text: str) -> str:
    """Writes an inferred schema to the schema file.

    The first line of the file is a comment, from which `edited_schema` determines whether the user
    has edited the file.

    Args:
      path: Path of the schema file.
      text: The schema as a text protobuf.

    Returns:
      Content of the file: the comment and the schema.
    """
    content = f"{_first_line(text)}\n{text}"
    write_text(path, content)
    return content


def edited_schema(path: str) -> str:
    """Returns the text of the schema file if the user has written or edited the file.

    Args:
      path: Path of the schema file.

    Returns:
      Content of the file; empty if the file does not exist or is unchanged since SchemaGen wrote
      it.
    """
    content = read_text(path) if is_file(path) else ""
    first_line, _, text = content.partition("\n")
    return "" if first_line == _first_line(text) else content


def _first_line(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return (
        "# Inferred from the data. Unedited as long as the SHA-256 of the lines below begins with "
        f"{digest}."
    )
