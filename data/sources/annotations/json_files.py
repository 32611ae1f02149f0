"""Reads JSON files of annotations with little memory, and names what is wrong with them."""

import json
from array import array
from typing import Any

from data.errors import InputError, one_line
from data.files.reading import read_text
from data.files.state import file_state

MOST_BYTES = 2**30
"""Maximum size of a JSON file. Reading takes about 3.4 times the size of the file in memory."""


def read_json(path: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The object. Lists of numbers in `segmentation` and `counts` are arrays, which take an eighth
      of the memory.

    Raises:
      InputError: The file cannot be read, is too large, or is not JSON of an object.
    """
    size = file_state(path).size
    if size > MOST_BYTES:
        raise InputError(
            f"{path}: {size >> 20} MiB, more than the limit of {MOST_BYTES >> 20} MiB. Divide the "
            "file by images, for example into one file for each split."
        )
    try:
        content = json.loads(read_text(path), object_hook=_with_arrays)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({one_line(error)}). Export it again.") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected a JSON object, found {type(content).__name__}. Name the file with "
            "the annotations."
        )
    return content


def _with_arrays(content: dict[str, Any]) -> dict[str, Any]:
    polygons, counts = content.get("segmentation"), content.get("counts")
    # Anything but numbers stays as it is. The drawing then reports it for the image alone.
    try:
        if isinstance(polygons, list):
            content["segmentation"] = [array("d", polygon) for polygon in polygons]
        if isinstance(counts, list):
            content["counts"] = array("q", counts)
    except (TypeError, ValueError, OverflowError):
        pass
    return content
