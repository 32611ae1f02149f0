"""Counts of files and pairs with a property or a fault, with the first ones as examples.

Counts of parts of a data set can be merged in any order, with the same result. Their size is
bounded, whatever the number of files.
"""

import bisect
from dataclasses import dataclass, field

from typing_extensions import Self

from data.errors import PairError

MOST_EXAMPLES = 100
"""Maximum number of examples of a fault."""
_MOST_FAULTS = 100  # maximum number of faults that are kept apart
OTHER = ""
"""The reason of all faults of a kind beyond the number that are kept apart."""

Example = tuple[str, str, tuple[str, ...]]
"""Text that orders the examples, name for the message, and keys of the pairs."""


@dataclass
class Examples:
    """The number of things with a property, and the first ones in order.

    Attributes:
      count: Number of things.
      first: The first ones, at most `MOST_EXAMPLES`, in order.
    """

    count: int = 0
    first: list[Example] = field(default_factory=list)

    def add(self, order: str, where: str = "", keys: tuple[str, ...] = ()) -> None:
        """Adds one thing.

        Args:
          order: Text that orders the examples.
          where: Name for the message; empty to leave it out.
          keys: Keys of the pairs that it is about.
        """
        self.count += 1
        if len(self.first) < MOST_EXAMPLES or order < self.first[-1][0]:
            self._insert((order, where, keys))

    def merged(self, other: Self) -> Self:
        """Adds the things of another part of the data set, and returns this object."""
        self.count += other.count
        for example in other.first:
            self._insert(example)
        return self

    def _insert(self, example: Example) -> None:
        bisect.insort(self.first, example)
        del self.first[MOST_EXAMPLES:]

    @property
    def where(self) -> tuple[str, ...]:
        """Names of the first ones, for the message."""
        return tuple(where for _, where, _ in self.first if where)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the pairs that the first ones are about."""
        return tuple(key for _, _, keys in self.first for key in keys)


@dataclass
class Faults:
    """Faults of files or pairs, by kind and reason.

    Attributes:
      examples: Files with each fault, by kind and reason. Of many faults, the ones that are not
        first in alphabetical order are merged into one of each kind, with the reason `OTHER`.
    """

    examples: dict[str, dict[str, Examples]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of files with a fault."""
        return sum(each.count for reasons in self.examples.values() for each in reasons.values())

    def add(self, fault: PairError, key: str | None = None) -> None:
        """Adds a fault.

        Args:
          fault: The fault of a file.
          key: Key of the pair; None for a file that is not part of a pair.
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
