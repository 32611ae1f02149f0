"""The user's schema file: SchemaGen writes it in the first run, and the user may edit it."""

import hashlib

from data.files import is_file, read_text, write_text


def write_inferred_schema(path: str, text: str) -> str:
    """Writes an inferred schema, with a first line that shows whether the file is edited later.

    Args:
      path: Path of the schema file.
      text: The schema as a text protobuf.

    Returns:
      Content of the file.
    """
    content = f"{_first_line(text)}\n{text}"
    write_text(path, content)
    return content


def edited_schema(path: str) -> str:
    """Returns the text of a schema file that a person has written or edited.

    Args:
      path: Path of the schema file.

    Returns:
      Content of the file; empty if the file does not exist, or is unchanged since SchemaGen wrote
      it.
    """
    content = read_text(path) if is_file(path) else ""
    first_line, _, text = content.partition("\n")
    return "" if first_line == _first_line(text) else content


def _first_line(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"# Inferred from the data; not edited while its SHA-256 begins with {digest}."
