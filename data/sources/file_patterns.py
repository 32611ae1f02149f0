"""Matches file names with the name patterns of image and mask files."""

import fnmatch
import posixpath
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from typing_extensions import Self

from data.errors import PairError
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes

TOOL_FILES = (
    "*_color.png",  # Cityscapes
    "*_instanceIds.png",
    "*_labelIds.png",
    "*_polygons.json",
    "_annotations.*",  # Roboflow
    "_classes.csv",
    "labelmap.txt",  # CVAT
    "*.json",  # labelme, COCO
    "*.xml",  # VOC
)
"""Name patterns of files that annotation tools write beside images and masks."""


class Pattern(NamedTuple):
    """A file name pattern, in which `*` stands for a stem of at least one character.

    Attributes:
      before: Text before the `*`.
      after: Text between the `*` and the suffix.
      suffix: The suffix in lower case; None if any image suffix matches.
    """

    before: str
    after: str
    suffix: str | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Parses a pattern from the config.

        Args:
          text: The pattern, such as `*_mask.png` or `*`.
        """
        suffix = posixpath.splitext(text)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            text = text[: -len(suffix)]
        before, _, after = text.partition("*")
        return cls(before, after, suffix if suffix in IMAGE_SUFFIXES else None)

    @property
    def exactness(self) -> tuple[int, bool]:
        """Rank of the pattern. If a name matches two patterns, the pattern of higher rank wins.

        The rank is the number of characters other than the `*` and the suffix, and then whether the
        pattern has a suffix.
        """
        return len(self.before) + len(self.after), self.suffix is not None

    def stem_of(self, name: str) -> str | None:
        """Returns the part of a file name that `*` stands for, or None if there is no match."""
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() not in (IMAGE_SUFFIXES if self.suffix is None else {self.suffix}):
            return None
        inner = stem.removeprefix(self.before).removesuffix(self.after)
        return inner if inner and f"{self.before}{inner}{self.after}" == stem else None


def is_ignored(name: str, patterns: Iterable[str]) -> bool:
    """Returns whether a file name matches one of the patterns, which may have wildcards."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def kind_and_stem(path: str, name: str, patterns: Mapping[str, Pattern]) -> tuple[str, str]:
    """Returns the kind of a file, and the stem of its name.

    Args:
      path: Path of the file, for messages.
      name: Name of the file.
      patterns: Patterns from the config, by kind: `image` or `mask`.

    Returns:
      The kind whose pattern matches the name, and the text for which `*` stands.

    Raises:
      PairError: No pattern matches, or two match equally well.
    """
    stems = {kind: stem for kind in patterns if (stem := patterns[kind].stem_of(name)) is not None}
    keys = " and ".join(f"data.source.{kind}_pattern" for kind in patterns)
    if not stems:
        if posixpath.splitext(name)[1].lower() not in IMAGE_SUFFIXES:
            reason = (
                f"not an image suffix (expected {expected_suffixes()}). Move the file elsewhere."
            )
            raise PairError("not_an_image", path, reason)
        reason = (
            f"the name does not match {keys}. Rename the file, move it elsewhere, or correct the "
            "pattern."
        )
        raise PairError("unmatched", path, reason)
    most = max(patterns[kind].exactness for kind in stems)
    kind, *others = (kind for kind in stems if patterns[kind].exactness == most)
    if others:
        reason = f"the name matches {keys} equally well. Make one of the patterns more specific."
        raise PairError("unmatched", path, reason)
    return kind, stems[kind]
