"""Advice on paths in configs, tables and split lists that cannot be those of files."""

import posixpath
import re

from data.files.file_systems import unknown_scheme
from data.files.paths import is_remote

_LONGEST = 255  # maximum length of a file name in bytes, on all common file systems
_LONGEST_PATH = 4095  # maximum length of a path in bytes, on Linux
_DRIVE = re.compile(r"(?:^|/)[A-Za-z]:[\\/]")
_HOME = re.compile(r"~|\$\{?HOME\b")
_QUOTES = "\"'“”„‘’`"


def impossible_path(cell: str) -> str | None:
    """Returns why no file can have the path in a cell or line, and what to do; None if one can."""
    if reason := unknown_scheme(cell):
        return reason
    content = cell.encode("utf-8", "surrogateescape")
    longest = max(map(len, content.split(b"/")))
    if longest > _LONGEST and not is_remote(cell):
        return f"a name of {longest} bytes; files have at most {_LONGEST}. Correct it."
    if len(content) > _LONGEST_PATH:
        return f"a path of {len(content)} bytes; paths have at most {_LONGEST_PATH}. Correct it."
    return "contains the character '\\x00'. Remove it." if "\0" in cell else None


def missing_path_advice(path: str, folder: str = "the folder of the table") -> str | None:
    """Returns advice on a path that does not exist.

    Args:
      path: The path.
      folder: Folder to which paths are relative, in words.

    Returns:
      A sentence; None if the path looks right.
    """
    if _DRIVE.search(path):
        return f"The path has the letter of a drive. Write it relative to {folder}."
    if _HOME.match(path):
        return "Only a shell replaces ~ and $HOME. Write the whole path."
    return "Write / instead of \\ in the path." if "\\" in path else None


def missing_entry_advice(entry: str, folder: str) -> str:
    """Returns advice on a line of a split list that names no image.

    Args:
      entry: The line.
      folder: Folder of the images.
    """
    if reason := impossible_path(entry):
        return reason
    if entry[0] in _QUOTES or entry[-1] in _QUOTES:
        return "no such image. Remove the quotes."
    if advice := missing_path_advice(entry, folder):
        return advice
    above = (posixpath.basename(folder), ".", "..", "")
    outside = "/" in entry and entry.split("/")[0] in above
    advice = f"Write the path relative to {folder}." if outside else ""
    if len(re.split(r"[\s,;]+", entry)) > 1:
        advice = f"If the list has several columns, keep that of the images. {advice}".rstrip()
    return f"no such image in {folder}. {advice or 'Correct or remove the line.'}"
