"""Counts of the files and pairs of a source."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from typing_extensions import Self

from data.faults import Examples, Faults


@dataclass
class Census:
    """Counts of the files and pairs of a source, or of a part of it.

    Attributes:
      pairs: Number of pairs in each split.
      newest_span: Number of the newest span; 0 if the source has no spans.
      rows: Number of files of each required kind, by the message for none (see `Part`).
      problems: Files and rows that are not part of a pair (an image without a mask, two files of
        one name, …).
      unused: Keys of images and masks that are in no split list.
      without_group: The first key that `data.group` does not match.
      digests: Hash of the pairs, problems and unused keys in each partition.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    newest_span: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    problems: Faults = field(default_factory=Faults)
    unused: Examples = field(default_factory=Examples)
    without_group: str | None = None
    digests: dict[int, str] = field(default_factory=dict)

    def merged(self, other: Self) -> Self:
        """Adds the counts of another part of the source, and returns this object."""
        self.pairs.update(other.pairs)
        self.newest_span = max(self.newest_span, other.newest_span)
        self.rows.update(other.rows)
        self.problems.merged(other.problems)
        self.unused.merged(other.unused)
        keys = [each.without_group for each in (self, other) if each.without_group is not None]
        self.without_group = min(keys, default=None)
        self.digests.update(other.digests)
        return self

    @property
    def fingerprint(self) -> str:
        """Hash of the pairs and, if hashed, of their contents, of the problems and unused keys.

        The hash does not depend on where the files are, as long as all of them form pairs.
        """
        return hashlib.sha256(repr(sorted(self.digests.items())).encode()).hexdigest()
