"""Checks a whole data set for faults that would make a model or its metrics unreliable."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from data.config import IGNORE, SPLITS, DataConfig
from data.errors import InputError, PairError
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.rasters.mask_advice import advice_on_values, mask_values_line
from data.sources.pairs import Found

_FEWEST_PAIRS = 5  # with fewer pairs in a split, single images dominate its metrics
_NARROW = 2**13  # 16-bit samples below this value use only an eighth of the range
_MOST_VALUES = 8  # maximum number of pixel values listed in a message
_MOST_NAMES = 3  # maximum number of files or pairs listed in a message


class Finding(NamedTuple):
    """A fault in the data set, or other information for the user.

    Attributes:
      kind: Kind of the finding, such as `empty_split`. docs/checks.md explains the most frequent
        kinds.
      severity: `error` stops the run; `skipped` means that bad pairs were left out
        (`data.on_bad_pair: skip`); `warning` asks the user to look at the data; `note` is
        information only.
      where: Files, pairs or groups that the finding concerns, as text for the message.
      text: Description of the finding and, for a fault, how to correct it.
      keys: Keys of the pairs that the finding concerns.
    """

    kind: str
    severity: Literal["error", "skipped", "warning", "note"]
    where: tuple[str, ...]
    text: str
    keys: tuple[str, ...] = ()

    def line(self) -> str:
        """Returns the finding as one line of text, with at most three files, pairs or groups."""
        if not self.where:
            return self.text
        shown = ", ".join(self.where[:_MOST_NAMES])
        more = len(self.where) - _MOST_NAMES
        return f"{shown}{f' and {more} more' if more > 0 else ''}: {self.text}"


def check(records: Sequence[Record], found: Found, data: DataConfig) -> list[Finding]:
    """Checks a data set for bad pairs and for faults in its images, groups, splits and classes.

    Args:
      records: One record for each pair of the source, ordered by key.
      found: Result of `find_pairs`: the pairs, the problems and the keys that are in no split list.
      data: The `data` section of the config.

    Returns:
      The findings, sorted by severity with errors first.
    """
    good = [(record, record.statistics) for record in records if record.statistics is not None]
    findings = [
        *_bad_pairs(records, found, data),
        *_too_many_bad(records, found, data),
        *_looks_binary(good, data),
        *_duplicates(good),
        *_divided_groups(good),
        *_splits(records, found, data),
        *_classes(good, data),
        *_empty_masks(good, data),
        *_narrow_range(good, data),
        *_unused(found),
    ]
    order = ("error", "skipped", "warning", "note")
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def refuse_errors(findings: Iterable[Finding], most: int = 5) -> None:
    """Raises an InputError if any finding has the severity `error`.

    Args:
      findings: Findings of any severity.
      most: Maximum number of errors that the message lists.

    Raises:
      InputError: At least one finding is an error. The message has one line for each of the first
        `most` errors, followed by the number of further errors.
    """
    lines = [finding.line() for finding in findings if finding.severity == "error"]
    if len(lines) > most:
        more = len(lines) - most
        lines[most:] = [f"… and {more} more problems: unetfx check shows all, with pictures."]
    if lines:
        raise InputError("\n".join(lines))


_Good = Sequence[tuple[Record, PairStatistics]]


def _bad_pairs(records: Sequence[Record], found: Found, data: DataConfig) -> Iterator[Finding]:
    """Yields one finding for each distinct fault, with all files that have the fault."""
    severity: Literal["error", "skipped"] = "skipped" if data.on_bad_pair == "skip" else "error"
    affected = [r for r in records if r.problem and r.problem.kind == "value_without_class"]
    # A change to `data.mask_values` applies to all masks, including good ones, so the advice takes
    # the values of all masks into account. Masks of numbers and masks of colours get separate
    # advice.
    values_without_class = {
        coloured: _values_without_class([r for r in records if _coloured(r) == coloured], data)
        for coloured in {_coloured(record) for record in affected}
    }
    faults: dict[tuple[str, str], list[tuple[PairError, str]]] = defaultdict(list)
    for problem in found.problems:
        faults[problem.kind, problem.reason].append((problem, ""))
    for record in records:
        if record.problem is not None:
            reason = record.problem.reason
            if record.problem.kind == "value_without_class":
                reason = values_without_class[_coloured(record)]
            faults[record.problem.kind, reason].append((record.problem, record.pair.key))
    for (kind, reason), problems in faults.items():
        files = tuple(problem.file for problem, _ in problems)
        yield Finding(kind, severity, files, reason, tuple(key for _, key in problems if key))


def _coloured(record: Record) -> bool:
    return any(isinstance(value, str) for value in record.values)


def _values_without_class(records: Sequence[Record], data: DataConfig) -> str:
    present = {value for record in records for value in record.values}
    known = {f"#{v:06x}" if data.by_colour else v for v in data.class_of_value}
    unknown = [str(value) for value in sorted(present - known, key=_as_number)]
    shown = ", ".join(unknown[:_MOST_VALUES]) + (", …" if len(unknown) > _MOST_VALUES else "")
    plural = "s" if len(unknown) > 1 else ""
    return f"no class for the pixel value{plural} {shown}. {advice_on_values(present, data)}"


def _as_number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value[1:], 16)


def _too_many_bad(records: Sequence[Record], found: Found, data: DataConfig) -> Iterator[Finding]:
    bad = len(found.problems) + sum(record.problem is not None for record in records)
    total = len(found.problems) + len(records)
    if data.on_bad_pair == "skip" and bad > data.max_bad_fraction * total:
        text = (
            f"{bad} of {total} pairs are bad, more than data.max_bad_fraction "
            f"{data.max_bad_fraction:g} allows. Correct the pairs, or raise this limit."
        )
        yield Finding("too_many_bad", "error", (), text)


def _looks_binary(good: _Good, data: DataConfig) -> Iterator[Finding]:
    seen = {value for record, _ in good for value in record.values}
    if seen == {0, IGNORE} and data.ignore_value == IGNORE and not data.mask_values:
        text = (
            f"The masks hold only 0 and 255, and 255 is data.ignore_value, so only "
            f"{data.classes[0]} would be learnt. If 255 is a class, write, under data: "
            f"{mask_values_line(data.classes)}"
        )
        yield Finding("looks_binary", "error", (), text)


def _duplicates(good: _Good) -> Iterator[Finding]:
    copies = [
        same
        for same in _by(good, lambda _, statistics: statistics.content).values()
        if len(same) > 1
    ]
    across = [same for same in copies if len({record.pair.split for record in same}) > 1]
    if across:
        yield Finding(
            "duplicate_across_splits",
            "error",
            tuple(
                " = ".join(f"{record.pair.key} ({record.pair.split})" for record in same)
                for same in across
            ),
            "the same image in several splits, so the metrics would be too optimistic. Remove the "
            "copies, or put them into one group (data.group).",
            tuple(record.pair.key for same in across for record in same),
        )
    within = [same for same in copies if same not in across]
    if within:
        yield Finding(
            "duplicate",
            "warning",
            tuple(" = ".join(record.pair.key for record in same) for same in within),
            "the same image several times in one split. Remove the copies, unless they are "
            "intended.",
            tuple(record.pair.key for same in within for record in same),
        )


def _divided_groups(good: _Good) -> Iterator[Finding]:
    divided = {
        group: records
        for group, records in _by(good, lambda record, _: record.pair.group).items()
        if len({record.pair.split for record in records}) > 1
    }
    if divided:
        yield Finding(
            "group_across_splits",
            "error",
            tuple(
                f"{group} ({', '.join(_splits_of(records))})" for group, records in divided.items()
            ),
            "a group with pairs in several splits, so the metrics would be too optimistic. Move "
            "all pairs of the group into one split.",
            tuple(record.pair.key for records in divided.values() for record in records),
        )


def _splits(records: Sequence[Record], found: Found, data: DataConfig) -> Iterator[Finding]:
    # With `on_bad_pair: fail`, the user has to correct all bad pairs before a run, so bad pairs
    # count as usable here.
    count_bad = data.on_bad_pair == "fail"
    if count_bad and found.problems and not records:
        return
    members = Counter(record.pair.split for record in records if record.statistics or count_bad)
    for split in SPLITS:
        if not members[split]:
            text = (
                f"the split {split!r} has no usable pairs. Unless the source defines the splits, a "
                "hash of the group assigns each pair to a split. Add pairs, use smaller groups, "
                "or give this split a larger share in data.splits."
            )
            yield Finding("empty_split", "error", (), text)
        elif members[split] < _FEWEST_PAIRS:
            text = (
                f"the split {split!r} has only {members[split]} of {members.total()} pairs. Add "
                "pairs, or give it a larger share in data.splits."
            )
            yield Finding("small_split", "warning", (), text)


def _classes(good: _Good, data: DataConfig) -> Iterator[Finding]:
    for class_id, name in enumerate(data.classes):
        with_class = [record for record, statistics in good if statistics.fractions[class_id]]
        splits = _splits_of(with_class)
        if good and not with_class:
            text = (
                f"the class {name} never occurs in the masks. Check data.classes and "
                "data.mask_values, or remove the class."
            )
            yield Finding("class_never", "warning", (), text)
        elif good and (len(splits) == 1 or "train" not in splits):
            text = (
                f"the class {name} occurs in {' and '.join(splits)} only ({len(with_class)} "
                "pairs), so it cannot be both learnt and measured. Add pairs with this class."
            )
            keys = tuple(record.pair.key for record in with_class)
            yield Finding("class_in_one_split", "warning", (), text, keys)


def _empty_masks(good: _Good, data: DataConfig) -> Iterator[Finding]:
    empty = [record.pair.key for record, statistics in good if statistics.fractions[0] == 1]
    if empty:
        text = f"{len(empty)} of {len(good)} masks contain only the class {data.classes[0]}."
        yield Finding("empty_mask", "note", (), text, tuple(empty))


def _narrow_range(good: _Good, data: DataConfig) -> Iterator[Finding]:
    greatest = max((statistics.max_sample or 0 for _, statistics in good), default=0)
    if data.intensity_range is None and 0 < greatest < _NARROW:
        text = (
            f"the 16-bit images never exceed {greatest}, so most of their contrast is lost. Write, "
            f"under data: intensity_range: [0, {2 ** greatest.bit_length() - 1}]"
        )
        yield Finding("narrow_range", "warning", (), text)


def _unused(found: Found) -> Iterator[Finding]:
    if found.unused:
        text = f"{len(found.unused)} pairs are in no split list, so they are not used."
        yield Finding("unused", "note", (), text, tuple(found.unused))


def _by(good: _Good, key: Callable[[Record, PairStatistics], str]) -> Mapping[str, list[Record]]:
    together = defaultdict(list)
    for record, statistics in good:
        together[key(record, statistics)].append(record)
    return together


def _splits_of(records: Iterable[Record]) -> list[str]:
    present = Counter(record.pair.split for record in records)
    return [split for split in SPLITS if present[split]]
