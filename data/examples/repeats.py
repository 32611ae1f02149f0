"""Finds images that occur several times, and groups that are divided between splits."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from data.config import SPLITS
from data.examples.records import Record
from data.faults import MOST_EXAMPLES, Examples
from data.jobs.shuffle import Segment, hash_name, read_groups

_CONTENT, _FLAT, _GROUP = "content", "flat", "group"
_MOST_COPIES = 3  # maximum number of copies of an image that a message lists


@dataclass
class Repeats:
    """Repeated images and divided groups. Objects of this class can be merged in any order.

    Attributes:
      across: Images that occur in more than one split.
      within: Images that occur several times, but only in one split.
      flat: Images of one colour that occur several times.
      divided: Groups that have pairs in more than one split.
      groups: Number of groups in each split, by split.
    """

    across: Examples = field(default_factory=Examples)
    within: Examples = field(default_factory=Examples)
    flat: Examples = field(default_factory=Examples)
    divided: Examples = field(default_factory=Examples)
    groups: Counter[str] = field(default_factory=Counter)

    def merged(self, other: Self) -> Self:
        """Adds the repeats among other images and groups, and returns this object."""
        for mine, theirs in zip(
            (self.across, self.within, self.flat, self.divided),
            (other.across, other.within, other.flat, other.divided),
            strict=True,
        ):
            mine.merged(theirs)
        self.groups.update(other.groups)
        return self


def repeat_rows(record: Record) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields two rows for a pair, which `find_repeats` compares with the rows of other pairs.

    Args:
      record: Record of a usable pair.

    Yields:
      A row for the image and a row for the group, each with the hash of the name of the row (see
      `hash_name`). Pairs with the same image or the same group have rows with the same name.

    Raises:
      ValueError: The pair is not usable, so the record has no statistics.
    """
    pair = record.pair
    if record.statistics is None:
        raise ValueError(f"{pair.key} cannot be used")
    image = _FLAT if record.statistics.is_flat else _CONTENT
    for kind, name in ((image, record.statistics.content), (_GROUP, pair.group)):
        yield hash_name(f"{kind}:{name}"), (kind, name, pair.key, pair.split)


def find_repeats(segments: Iterable[Segment]) -> Repeats:
    """Finds the repeats among the rows of a partition that `repeat_rows` made.

    Args:
      segments: Positions of all rows of the partition.

    Raises:
      InputError: The rows cannot be read.
    """
    repeats = Repeats()
    for _, rows in read_groups(segments):
        # Rows with the same hash are treated as rows with the same name. For two different names,
        # the probability of the same hash is only 1 in 10^19.
        _add(repeats, rows)
    return repeats


def _add(repeats: Repeats, rows: Iterator[Any]) -> None:
    kind, name, key, split = next(rows)
    splits = Counter([split])
    first = [(key, split)]
    for _, _, key, split in rows:
        splits[split] += 1
        first.append((key, split))
        if len(first) > 2 * MOST_EXAMPLES:
            first = heapq.nsmallest(MOST_EXAMPLES, first)
    first.sort()
    keys = tuple(key for key, _ in first[:MOST_EXAMPLES])
    if kind == _GROUP:
        repeats.groups.update(splits.keys())
        if len(splits) > 1:
            where = f"{name} ({', '.join(split for split in SPLITS if splits[split])})"
            repeats.divided.add(keys[0], where, keys)
    elif splits.total() > 1:
        across = len(splits) > 1
        copies = [f"{key} ({split})" if across else key for key, split in first[:_MOST_COPIES]]
        more = splits.total() - len(copies)
        where = " = ".join(copies) + (f" and {more} more" if more else "")
        found = repeats.across if across else repeats.within
        (repeats.flat if kind == _FLAT else found).add(keys[0], where, keys)
