"""Records: each holds the result of reading one pair, and is stored as a line of pairs.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from data.errors import PairError
from data.examples.pair_statistics import PairStatistics
from data.listing.pair import Pair


class Record(NamedTuple):
    """The result of reading one pair.

    Attributes:
      pair: The pair that was read.
      statistics: Statistics of the pair; None if the pair cannot be used.
      problem: Reason why the pair cannot be used; None if the pair can be used.
      values: Distinct pixel values in the mask file, as numbers or colours (at most 300); empty if
        the image or the mask cannot be read.
    """

    pair: Pair
    statistics: PairStatistics | None
    problem: PairError | None
    values: tuple[int | str, ...]

    def as_row(self, classes: Sequence[str]) -> dict[str, Any]:
        """Converts the record to a JSON object for one line of pairs.jsonl."""
        row: dict[str, Any] = self.pair._asdict() | {"values": list(self.values)}
        if self.statistics is not None:
            row |= self.statistics._asdict()
            row["fractions"] = dict(zip(classes, self.statistics.fractions, strict=True))
        if self.problem is not None:
            kind, file, reason = self.problem.kind, self.problem.file, self.problem.reason
            row["problem"] = {"kind": kind, "file": file, "reason": reason}
        return row

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Record:
        """Creates a record from a JSON object that was returned by `as_row`."""
        statistics, problem = None, None
        if "problem" in row:
            problem = PairError(**row["problem"])
        else:
            fields = {name: row[name] for name in PairStatistics._fields if name in row}
            fields["means"] = tuple(row["means"])
            fields["fractions"] = tuple(row["fractions"].values())
            statistics = PairStatistics(**fields)
        pair = Pair(*(row[name] for name in Pair._fields))
        return cls(pair, statistics, problem, tuple(row["values"]))
