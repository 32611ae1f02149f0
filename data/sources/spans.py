"""Sources with spans: numbered deliveries of data, each at its own path."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from typing_extensions import Self

from data.errors import InputError
from data.files import is_folder, join, list_folder
from data.sources.source import Source

SPAN_PLACEHOLDER = re.compile(r"\{SPAN(?::([1-9]))?\}")
"""Stands for the number of a span in a source's path, as in TFX; `{SPAN:3}` has three digits."""


class SpannedSource(Source):
    """Base of the sources whose path may hold `{SPAN}`.

    Attributes:
      path: Path of the source, local or on any file system that TensorFlow reads (`gs://…`).
      newest_spans: Number of the newest spans to use; null for all.
      path_is_file: Whether the path is that of a file, and not of a folder.
    """

    path: str
    newest_spans: Annotated[int, Field(ge=1)] | None = None

    path_is_file: ClassVar[bool] = False

    @model_validator(mode="after")
    def _check_spans(self) -> Self:
        placeholders = len(SPAN_PLACEHOLDER.findall(self.path))
        if self.newest_spans is not None and not placeholders:
            raise ValueError("newest_spans: path has no {SPAN} in it")
        if placeholders > 1:
            raise ValueError(f"path: more than one {{SPAN}}, found {self.path!r}")
        return self

    @property
    def has_spans(self) -> bool:
        """Whether the path holds `{SPAN}`."""
        return SPAN_PLACEHOLDER.search(self.path) is not None

    def spans(self) -> Iterator[tuple[int, Self]]:
        """Yields the number of each span, and the source that holds this span alone."""
        if not self.has_spans:
            yield 0, self
            return
        for span, path in _expand(self.path, self.newest_spans, path_is_file=self.path_is_file):
            yield span, self.model_copy(update={"path": path})


def _expand(path: str, newest: int | None, *, path_is_file: bool) -> list[tuple[int, str]]:
    """Returns the number and the path of each span, ordered by number."""
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
                f"{join(folder, name)}: no number where {pattern} has {placeholder[0]}. Rename it, "
                "or hide it with a dot before its name."
            )
        number, span_path = int(match[1]), join(folder, f"{name}/{rest}")
        if number in paths:
            raise InputError(f"{paths[number]} and {span_path}: two spans {number}. Rename one.")
        paths[number] = span_path
    if not paths:
        raise InputError(
            f"{folder}: no span in it. Names should look like {pattern}, as in "
            f"{before}{1:0{placeholder[1] or 1}}{after}."
        )
    return sorted(paths.items())[-newest if newest else None :]
