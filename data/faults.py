"""Counts files and pairs that have a property or a fault, and keeps the first ones as examples.

The counts of several parts of a data set can be merged in any order, with the same result. Their
size in memory is limited, regardless of the number of files.
"""

import bisect
from dataclasses import dataclass, field

from typing_extensions import Self

from data.errors import PairError

MOST_EXAMPLES = 100
"""Maximum number of examples for each property or fault."""
_MOST_FAULTS = 100  # maximum number of distinct faults that are counted separately
OTHER = ""
"""The reason that stands for all faults of a kind that are not counted separately."""

Example = tuple[str, str, tuple[str, ...]]
"""Text by which examples are sorted, name for the message, and keys of the pairs."""


@dataclass
class Examples:
    """Number of files, pairs or groups that have a property, and the first ones as examples.

    Attributes:
      count: Number of files, pairs or groups.
      first: The first `MOST_EXAMPLES` of them, sorted.
    """

    count: int = 0
    first: list[Example] = field(default_factory=list)

    def add(self, order: str, where: str = "", keys: tuple[str, ...] = ()) -> None:
        """Counts one file, pair or group.

        Args:
          order: Text by which the examples are sorted.
          where: Name for the message; empty if the message does not list names.
          keys: Keys of the pairs that the example concerns.
        """
        self.count += 1
        if len(self.first) < MOST_EXAMPLES or order < self.first[-1][0]:
            self._insert((order, where, keys))

    def merged(self, other: Self) -> Self:
        """Adds the counts of another part of the data set, and returns this object."""
        self.count += other.count
        for example in other.first:
            self._insert(example)
        return self

    def _insert(self, example: Example) -> None:
        bisect.insort(self.first, example)
        del self.first[MOST_EXAMPLES:]

    @property
    def where(self) -> tuple[str, ...]:
        """Names of the examples, for the message."""
        return tuple(where for _, where, _ in self.first if where)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the pairs that the examples concern."""
        return tuple(key for _, _, keys in self.first for key in keys)


@dataclass
class Faults:
    """Number of files or pairs with each fault, by kind and reason.

    Attributes:
      examples: Count and examples of each fault, by kind and reason. Only the first 100 faults in
        alphabetical order are kept. The other faults of each kind are merged under `OTHER`.
    """

    examples: dict[str, dict[str, Examples]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of faults in all files and pairs."""
        return sum(each.count for reasons in self.examples.values() for each in reasons.values())

    def add(self, fault: PairError, key: str | None = None) -> None:
        """Counts a fault.

        Args:
          fault: The fault.
          key: Key of the pair that has the fault; None for a file that belongs to no pair.
        """
        examples = self._of(fault.kind, fault.reason)
        if key is None:
            examples.add(fault.file, fault.file)
        else:
            examples.add(key, fault.file, (key,))
        self._bound()

    def merged(self, other: Self) -> Self:
        """Adds the faults of another part of the data set, and returns this object."""
        for kind, reasons in other.examples.items():
            for reason, examples in reasons.items():
                self._of(kind, reason).merged(examples)
        self._bound()
        return self

    def _of(self, kind: str, reason: str) -> Examples:
        return self.examples.setdefault(kind, {}).setdefault(reason, Examples())

    def _bound(self) -> None:
        faults = [(kind, r) for kind, reasons in self.examples.items() for r in reasons if r]
        for kind, reason in sorted(faults)[_MOST_FAULTS:]:
            self._of(kind, OTHER).merged(self.examples[kind].pop(reason))
