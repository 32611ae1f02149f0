"""Matches file names with the name patterns of image and mask files."""

import fnmatch
import posixpath
import re
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
    "README.*",
    "_classes.csv",
    "labelmap.txt",  # CVAT
    "*.json",  # labelme, COCO
    "*.xml",  # VOC
)
"""Name patterns of files that annotation tools write beside images and masks."""


_PLACEHOLDER = re.compile(r"(\*|\{class\}|\{name\})")


class Pattern(NamedTuple):
    """A pattern for the end of a path, in which `*` stands for a stem of at least one character.

    Attributes:
      expression: Regular expression for the last parts of a path, without suffix. Its groups are
        `stem` and, if the pattern has `{class}`, `class`.
      parts: Number of the parts that the expression matches; 1 if it matches the name alone.
      letters: Number of characters other than placeholders.
      suffix: The suffix in lower case; None if any image suffix matches.
    """

    expression: re.Pattern[str]
    parts: int
    letters: int
    suffix: str | None

    @classmethod
    def of(cls, text: str, classes: Iterable[str] = ()) -> Self:
        """Parses a pattern from the config.

        Args:
          text: The pattern, such as `*_mask.png`, `*_{class}` or `*/masks/{name}`.
          classes: Names that `{class}` may stand for.
        """
        suffix = posixpath.splitext(text)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            text = text[: -len(suffix)]
        # If a class is the end of another one, such as cell and red_cell, the longer one is meant.
        names = "|".join(map(re.escape, sorted(classes, key=len, reverse=True)))
        groups = {
            "*": "(?P<stem>[^/]+?)",
            "{class}": f"(?P<class>{names or '(?!)'})",
            "{name}": "[^/]+",
        }
        parts = _PLACEHOLDER.split(text)
        return cls(
            re.compile("".join(groups.get(part) or re.escape(part) for part in parts)),
            text.count("/") + 1,
            sum(len(part) for part in parts if part not in groups),
            suffix if suffix in IMAGE_SUFFIXES else None,
        )

    @property
    def exactness(self) -> tuple[int, bool]:
        """Rank of the pattern. If a name matches two patterns, the pattern of higher rank wins.

        The rank is the number of characters other than placeholders and the suffix, and then
        whether the pattern has a suffix.
        """
        return self.letters, self.suffix is not None

    def match(self, above: str, name: str) -> "Match | None":
        """Returns the key and the class of a file, or None if there is no match.

        Args:
          above: Relative path of the file's folder, with a slash at the end; empty for the folder
            of all images or masks.
          name: Name of the file.
        """
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() not in (IMAGE_SUFFIXES if self.suffix is None else {self.suffix}):
            return None
        if self.parts == 1:
            start, end = above, stem
        else:
            parts = f"{above}{stem}".split("/")
            start = "".join(f"{part}/" for part in parts[: -self.parts])
            end = "/".join(parts[-self.parts :])
        match = self.expression.fullmatch(end)
        return match and Match(start + match["stem"], match.groupdict().get("class"))


class Match(NamedTuple):
    """What a pattern says about a file.

    Attributes:
      key: Key of the pair to which the file belongs: the relative folder and the stem.
      class_name: Name of the class for which `{class}` stands; None without `{class}`.
    """

    key: str
    class_name: str | None


def is_ignored(name: str, patterns: Iterable[str], above: str = "") -> bool:
    """Returns whether a file matches one of the patterns, which may have wildcards.

    Args:
      name: Name of the file.
      patterns: Patterns for the name or, if they contain `/`, for the relative path. A pattern that
        ends in `/` matches all files below a folder.
      above: Relative path of the file's folder, with a slash at the end.
    """
    for pattern in patterns:
        whole = f"{pattern}*" if pattern.endswith("/") else pattern
        if fnmatch.fnmatchcase(above + name if "/" in pattern else name, whole):
            return True
    return False


def kind_and_match(
    path: str, above: str, name: str, patterns: Mapping[str, Pattern]
) -> tuple[str, Match]:
    """Returns the kind of a file, and what the pattern of this kind says about it.

    Args:
      path: Path of the file, for messages.
      above: Relative path of the file's folder, with a slash at the end.
      name: Name of the file.
      patterns: Patterns from the config, by kind: `image` or `mask`.

    Raises:
      PairError: No pattern matches, or two match equally well.
    """
    matches = {kind: match for kind in patterns if (match := patterns[kind].match(above, name))}
    keys = " and ".join(f"data.source.{kind}_pattern" for kind in patterns)
    if not matches:
        suffix = posixpath.splitext(name)[1]
        if suffix.lower() not in IMAGE_SUFFIXES:
            advice = f', or write, under data.source: ignore: ["*{suffix}"]' if suffix else ""
            expected = f"expected {expected_suffixes()}"
            reason = f"not an image suffix ({expected}). Move the file elsewhere{advice}."
            raise PairError("not_an_image", path, reason)
        reason = (
            f"the name does not match {keys}. Rename the file, move it elsewhere, or correct the "
            "pattern."
        )
        raise PairError("unmatched", path, reason)
    most = max(patterns[kind].exactness for kind in matches)
    kind, *others = (kind for kind in matches if patterns[kind].exactness == most)
    if others:
        reason = f"the name matches {keys} equally well. Make one of the patterns more specific."
        raise PairError("unmatched", path, reason)
    return kind, matches[kind]
