"""Finds the spans of a source: numbered deliveries of data, each at its own path."""

import re
from collections.abc import Iterator

from data.config.sources import SPAN_PLACEHOLDER, Source, SpannedSource
from data.errors import InputError
from data.files.finding import is_folder, list_folder
from data.files.paths import join

_GREATEST = 2**63 - 1  # greatest number that ML Metadata can keep


def find_spans(source: Source) -> Iterator[tuple[int, Source]]:
    """Finds the spans (numbered deliveries) of a source.

    A source without spans counts as one span with the number 0.

    Args:
      source: Config of the source.

    Yields:
      The number of each span, and a config of the source for this span only, ordered by number.

    Raises:
      InputError: There is no span, a file or folder has no number in the position of `{SPAN}`, or
        two spans have the same number.
    """
    if not (isinstance(source, SpannedSource) and source.has_spans):
        yield 0, source
        return
    for span, path in _expand(source.path, source.newest_spans, path_is_file=source.path_is_file):
        yield span, source.model_copy(update={"path": path})


def _expand(path: str, newest: int | None, *, path_is_file: bool) -> list[tuple[int, str]]:
    """Returns the number and the path of each span to use, ordered by number."""
    placeholder = SPAN_PLACEHOLDER.search(path)
    if placeholder is None:
        raise ValueError(f"{path}: no {{SPAN}} in it")
    above, slash, before = path[: placeholder.start()].rpartition("/")
    after, _, rest = path[placeholder.end() :].partition("/")
    folder = above or slash or "."
    may_be_file = path_is_file and not rest
    pattern = f"{before}{placeholder[0]}{after}"
    paths: dict[int, str] = {}
    for name in list_folder(folder):
        match = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", name)
        if not match or not (may_be_file or is_folder(join(folder, name))):
            continue
        digits = "[0-9]+" if placeholder[1] is None else f"[0-9]{{{placeholder[1]}}}"
        if not re.fullmatch(digits, match[1]):
            raise InputError(
                f"{join(folder, name)}: no number in the place of {placeholder[0]} in {pattern}. "
                "Rename it, or hide it with a dot before its name."
            )
        number, span_path = int(match[1]), join(folder, f"{name}/{rest}")
        if number > _GREATEST:
            raise InputError(
                f"{span_path}: the span number is greater than {_GREATEST}. Rename it."
            )
        if number in paths:
            raise InputError(
                f"{paths[number]} and {span_path}: both have the span number {number}. Rename one "
                "of them."
            )
        paths[number] = span_path
    if not paths:
        raise InputError(
            f"{folder}: no spans found. Names should look like {pattern}, as in "
            f"{before}{1:0{placeholder[1] or 1}}{after}."
        )
    return sorted(paths.items())[-newest if newest else None :]
