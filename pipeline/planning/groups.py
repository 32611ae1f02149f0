"""Recognises groups of similar images, such as those of one patient, by the names of the pairs."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Parts of a key that often name a group, from the coarsest to the finest
_EXPRESSIONS = (
    r"^([^/]+)/",  # the folder
    r"^(?:.*/)?([A-Za-z]+[-_]?\d+)[-_.]",  # patient07_slice3, scan-1_002
    r"^(?:.*/)?(\d+)[-_.]\d+$",  # 07_003
    r"^(?:.*/)?(.*[A-Za-z].*?)[-_]?\d+$",  # street_a_0012
)
_FEWEST_GROUPS = 5


class Grouping(NamedTuple):
    """A way to group pairs.

    Attributes:
      expression: Regular expression for `data.group`.
      groups: Number of groups.
      example: Name of the largest group.
      largest: Number of pairs in the largest group.
    """

    expression: str
    groups: int
    example: str
    largest: int


def find_groups(keys: Sequence[str]) -> Grouping | None:
    """Finds groups in the keys of pairs; None if the names do not look like groups.

    Args:
      keys: Keys of all pairs.
    """
    for expression in _EXPRESSIONS:
        groups: dict[str, int] = {}
        for key in keys:
            match = re.search(expression, key)
            if match is None:
                break
            groups[match[1]] = groups.get(match[1], 0) + 1
        else:
            if _FEWEST_GROUPS <= len(groups) <= len(keys) / 2:
                example = max(groups, key=lambda name: groups[name])
                return Grouping(expression, len(groups), example, groups[example])
    return None
