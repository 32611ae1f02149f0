"""Counts pairs, faults, pixel values and classes, for the data checks and for reports."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from typing_extensions import Self

from data.examples.records import Record
from data.faults import Examples, Faults

VALUE_WITHOUT_CLASS = "value_without_class"
"""Kind of the fault that a mask has pixel values without a class. The message depends on the pixel
values of all masks."""
_MOST_VALUES = 4096  # maximum number of distinct pixel values that are kept


@dataclass
class ClassTally:
    """Counts of one class in the usable pairs.

    Attributes:
      splits: Number of pairs that have pixels of the class, by split.
      pairs: Count and examples of the pairs that have pixels of the class.
      pixels: Number of pixels of the class, by split.
    """

    splits: Counter[str] = field(default_factory=Counter)
    pairs: Examples = field(default_factory=Examples)
    pixels: Counter[str] = field(default_factory=Counter)

    def merged(self, other: Self) -> Self:
        """Adds the counts of other pairs, and returns this object."""
        self.splits.update(other.splits)
        self.pairs.merged(other.pairs)
        self.pixels.update(other.pixels)
        return self


@dataclass
class Tally:
    """Counts of pairs, taken from the records of the pairs. Tallies can be merged in any order.

    Attributes:
      good: Number of usable pairs, by split.
      bad: Number of unusable pairs, by split.
      faults: Faults of the unusable pairs, except for masks with pixel values that have no class.
      unclear: Pairs whose masks have pixel values without a class, by whether the values are
        colours (True) or numbers (False).
      values: Pixel values in all masks, including those of unusable pairs, by whether the values
        are colours (True) or numbers (False). Only the smallest 4096 values are kept.
      good_values: Pixel values in the masks of usable pairs. Only the smallest 4096 are kept.
      classes: Counts of each class in the usable pairs, by class id.
      empty: Usable pairs whose mask contains only the first class.
      inverted: Usable pairs whose mask is a file in which 0 is white.
      inverted_pixels: Number of pixels of each class in these masks, by class id.
      max_sample: Largest sample in any 16-bit image; 0 if there are no such images.
      spans: Numbers of the spans that have usable pairs.
    """

    good: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)
    unclear: dict[bool, Examples] = field(default_factory=dict)
    values: dict[bool, set[int | str]] = field(default_factory=dict)
    good_values: set[int | str] = field(default_factory=set)
    classes: list[ClassTally] = field(default_factory=list)
    empty: Examples = field(default_factory=Examples)
    inverted: Examples = field(default_factory=Examples)
    inverted_pixels: Counter[int] = field(default_factory=Counter)
    max_sample: int = 0
    spans: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        """Counts the record of a pair, usable or not."""
        pair, statistics = record.pair, record.statistics
        coloured = any(isinstance(value, str) for value in record.values)
        self._add_values(coloured, record.values)
        if record.problem is not None:
            self.bad[pair.split] += 1
            if record.problem.kind == VALUE_WITHOUT_CLASS:
                examples = self.unclear.setdefault(coloured, Examples())
                examples.add(pair.key, record.problem.file, (pair.key,))
            else:
                self.faults.add(record.problem, pair.key)
        if statistics is None:
            return
        self.good[pair.split] += 1
        self.spans.add(pair.span)
        self.good_values = _smallest(self.good_values | set(record.values))
        self._add_classes(len(statistics.fractions))
        if statistics.fractions[0] == 1:
            self.empty.add(pair.key, keys=(pair.key,))
        if statistics.inverted:
            self.inverted.add(pair.key, pair.mask, (pair.key,))
            self.inverted_pixels.update(dict(enumerate(map(round, statistics.class_pixels))))
        self.max_sample = max(self.max_sample, statistics.max_sample or 0)
        for tally, pixels in zip(self.classes, statistics.class_pixels, strict=True):
            if pixels:
                tally.splits[pair.split] += 1
                tally.pairs.add(pair.key, keys=(pair.key,))
                tally.pixels[pair.split] += round(pixels)

    def merged(self, other: Self) -> Self:
        """Adds the counts of other pairs, and returns this object."""
        self.good.update(other.good)
        self.bad.update(other.bad)
        self.faults.merged(other.faults)
        for coloured, examples in other.unclear.items():
            self.unclear.setdefault(coloured, Examples()).merged(examples)
        for coloured, values in other.values.items():
            self._add_values(coloured, values)
        self.good_values = _smallest(self.good_values | other.good_values)
        self._add_classes(len(other.classes))
        for mine, theirs in zip(self.classes, other.classes, strict=False):
            mine.merged(theirs)
        self.empty.merged(other.empty)
        self.inverted.merged(other.inverted)
        self.inverted_pixels.update(other.inverted_pixels)
        self.max_sample = max(self.max_sample, other.max_sample)
        self.spans |= other.spans
        return self

    def _add_values(self, coloured: bool, values: Iterable[int | str]) -> None:
        self.values[coloured] = _smallest(self.values.get(coloured, set()).union(values))

    def _add_classes(self, count: int) -> None:
        self.classes += [ClassTally() for _ in range(count - len(self.classes))]


def _smallest(values: set[int | str]) -> set[int | str]:
    if len(values) <= _MOST_VALUES:
        return values
    return set(sorted(values, key=lambda value: (isinstance(value, str), value))[:_MOST_VALUES])
