"""The record of a pair: a line of pairs.jsonl that says how the pair was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from data.errors import PairError
from data.examples.pair_statistics import PairStatistics
from data.sources.pairs import Pair


class Record(NamedTuple):
    """What became of one pair.

    Attributes:
      pair: The pair.
      statistics: What is known of it; None if it cannot be used.
      problem: Why it cannot be used; None if it can.
      values: The pixel values in the mask file, numbers or colours; empty if it cannot be read.
    """

    pair: Pair
    statistics: PairStatistics | None
    problem: PairError | None
    values: tuple[int | str, ...]

    def as_row(self, classes: Sequence[str]) -> dict[str, Any]:
        """Returns the record as one flat JSON object."""
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
        """Returns the record that `as_row` made the object of."""
        statistics, problem = None, None
        if "problem" in row:
            problem = PairError(**row["problem"])
        else:
            known = {name: row[name] for name in PairStatistics._fields}
            known["means"] = tuple(row["means"])
            known["fractions"] = tuple(row["fractions"].values())
            statistics = PairStatistics(**known)
        pair = Pair(*(row[name] for name in Pair._fields))
        return cls(pair, statistics, problem, tuple(row["values"]))
