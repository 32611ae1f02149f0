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
      spans: Numbers of the spans that have pairs; 0 if the source has no spans.
      rows: Number of files of each required kind, by the error message for a source without such
        files (see `Part.required`).
      problems: Files and manifest rows that do not form a pair (an image without a mask, two files
        with the same name, …).
      unused: Keys of images and masks that are in no split list.
      ignored: Files that are left out without being a problem, by reason.
      without_group: The first key, in sorted order, that `data.group` does not match; None if
        `data.group` matches all keys.
      digests: Hash of the pairs, problems and unused keys of each partition, by partition number.
        Partitions without any are left out.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    spans: set[int] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    problems: Faults = field(default_factory=Faults)
    unused: Examples = field(default_factory=Examples)
    ignored: dict[str, Examples] = field(default_factory=dict)
    without_group: str | None = None
    digests: dict[int, str] = field(default_factory=dict)

    def merged(self, other: Self) -> Self:
        """Adds the counts of another part of the source, and returns this object."""
        self.pairs.update(other.pairs)
        self.spans |= other.spans
        self.rows.update(other.rows)
        self.problems.merged(other.problems)
        self.unused.merged(other.unused)
        for reason, examples in other.ignored.items():
            self.ignored.setdefault(reason, Examples()).merged(examples)
        keys = [each.without_group for each in (self, other) if each.without_group is not None]
        self.without_group = min(keys, default=None)
        self.digests.update(other.digests)
        return self

    @property
    def newest_span(self) -> int:
        """Number of the newest span; 0 if there are no pairs, or if the source has no spans."""
        return max(self.spans, default=0)

    @property
    def fingerprint(self) -> str:
        """Hash of everything found in the source: pairs, file contents, problems, unused keys.

        The contents are included only if the files were hashed. The path of a file affects the hash
        only if the path occurs in a problem.
        """
        return hashlib.sha256(repr(sorted(self.digests.items())).encode()).hexdigest()
