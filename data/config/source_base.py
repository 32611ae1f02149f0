"""Base classes of the config classes for data sources, and the names of the splits."""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config.base import InputPath, Strict

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

SPAN_PLACEHOLDER = re.compile(r"\{SPAN(?::([1-9]))?\}")
"""Matches the placeholder for a span number in a path: `{SPAN}`, or `{SPAN:3}` for 3 digits.

A span is one numbered delivery of data. The syntax is the same as in TFX.
"""


class Source(Strict):
    """Base class for the `data.source` section of the config.

    Each kind of source has a subclass in which `kind` is a literal. The functions for each kind are
    in `data.sources.registry`.

    Attributes:
      kind: Name of the kind of source.
    """

    kind: str

    @property
    def has_spans(self) -> bool:
        """Whether the source is divided into spans."""
        return False

    @property
    def draws_masks(self) -> bool:
        """Whether the masks are made from other files, with class ids as pixel values."""
        return False

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raises a ValueError if the source names a class that does not exist.

        Args:
          classes: Names of the classes.
        """

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source has no such splits."""
        return None

    @property
    def may_hash_splits(self) -> bool:
        """Whether a hash of the group may assign pairs to splits."""
        return self.place_of_split("val") is None


class SpannedSource(Source):
    """Base class for sources whose path may contain `{SPAN}`, the number of a data delivery.

    Attributes:
      path: Path of the source: local, or on another file system that TensorFlow supports
        (`gs://…`).
      newest_spans: Number of spans to use, starting from the newest; null for all spans.
      path_is_file: Whether `path` names a file instead of a folder.
    """

    path: InputPath
    newest_spans: Annotated[int, Field(ge=1)] | None = None

    path_is_file: ClassVar[bool] = False

    @model_validator(mode="after")
    def _check_spans(self) -> Self:
        placeholders = len(SPAN_PLACEHOLDER.findall(self.path))
        if self.newest_spans is not None and not placeholders:
            raise ValueError("newest_spans: path should contain {SPAN}")
        if placeholders > 1:
            raise ValueError(f"path: more than one {{SPAN}}, found {self.path!r}")
        return self

    @property
    def has_spans(self) -> bool:
        """Whether the path contains `{SPAN}`."""
        return SPAN_PLACEHOLDER.search(self.path) is not None
