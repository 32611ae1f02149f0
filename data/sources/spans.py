"""Spans: deliveries of data, each in a place of its own with a number where `{SPAN}` stands."""

import re

from data.config import SPAN_PLACEHOLDER
from data.errors import InputError
from data.files import is_folder, join, list_folder


def expand(path: str, newest: int | None, *, of_files: bool) -> list[tuple[int, str]]:
    """Finds the spans of a source.

    Args:
      path: The source's path, with `{SPAN}` in it.
      newest: How many of the newest spans to keep, by number; None for all.
      of_files: Whether the path leads to files, as manifests are, and not to folders.

    Returns:
      Number and path of each span, in order.

    Raises:
      InputError: No span, a name without a number where `{SPAN}` stands, or two of one number.
    """
    place = SPAN_PLACEHOLDER.search(path)
    if place is None:
        raise ValueError(f"{path}: no {{SPAN}} in it")
    above, slash, before = path[: place.start()].rpartition("/")
    after, _, rest = path[place.end() :].partition("/")
    folder = above or slash or "."
    may_be_file = of_files and not rest
    pattern = f"{before}{place[0]}{after}"
    paths: dict[int, str] = {}
    for name in list_folder(folder):
        found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", name)
        if not found or not (may_be_file or is_folder(join(folder, name))):
            continue
        expected = "[0-9]+" if place[1] is None else f"[0-9]{{{place[1]}}}"
        if not re.fullmatch(expected, found[1]):
            raise InputError(
                f"{join(folder, name)}: no number where {pattern} has {place[0]}. Rename it, or "
                "hide it by a dot before its name."
            )
        number, span_path = int(found[1]), join(folder, f"{name}/{rest}")
        if number in paths:
            raise InputError(f"{paths[number]} and {span_path}: two spans {number}. Rename one.")
        paths[number] = span_path
    if not paths:
        raise InputError(
            f"{folder}: no span in it. Names should look like {pattern}, as in "
            f"{before}{1:0{place[1] or 1}}{after}."
        )
    return sorted(paths.items())[-newest if newest else None :]
