"""Checks a whole data set for faults that would make a model or its metrics unreliable."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from data.config import IGNORE, SPLITS, DataConfig, SplitName
from data.errors import InputError, listed
from data.examples.repeats import Repeats
from data.examples.tally import VALUE_WITHOUT_CLASS, Tally
from data.faults import OTHER, Examples, Faults
from data.listing.census import Census
from data.printable import printable
from data.rasters.mask_advice import advice_on_values, mask_values_line
from data.sources.pattern_advice import advice_on_patterns

_FEWEST_PAIRS = 5  # with fewer pairs in a split, single images dominate its metrics
_NARROW = 2**13  # 16-bit samples below this value use only an eighth of the range
_MOST_VALUES = 8  # maximum number of pixel values listed in a message
_MOST_NAMES = 3  # maximum number of files or pairs listed in a message
_OTHER_FAULTS = (
    "other faults of this kind. Correct the faults that are listed separately, and check again."
)

Severity = Literal["error", "skipped", "warning", "note"]


class Finding(NamedTuple):
    """A fault in the data set, or other information for the user.

    Attributes:
      kind: Kind of the finding, such as `empty_split`. docs/checks.md explains the most frequent
        kinds.
      severity: `error` stops the run; `skipped` means that bad pairs were left out
        (`data.on_bad_pair: skip`); `warning` asks the user to look at the data; `note` is
        information only.
      where: The first files, pairs or groups that the finding concerns, as text for the message.
      text: Description of the finding and, for a fault, how to correct it.
      keys: Keys of the first pairs that the finding concerns.
      number: Total number of files, pairs or groups that the finding concerns; 0 if the finding
        concerns the data set as a whole.
    """

    kind: str
    severity: Severity
    where: tuple[str, ...]
    text: str
    keys: tuple[str, ...] = ()
    number: int = 0

    @classmethod
    def of(cls, kind: str, severity: Severity, text: str, examples: Examples) -> "Finding":
        """Creates a finding that concerns files, pairs or groups."""
        return cls(kind, severity, examples.where, text, examples.keys, examples.count)

    def line(self) -> str:
        """Returns the finding as one line of text, with at most three files, pairs or groups."""
        if not self.where:
            return printable(self.text)
        shown = ", ".join(self.where[:_MOST_NAMES])
        more = self.number - _MOST_NAMES
        return printable(f"{shown}{f' and {more} more' if more > 0 else ''}: {self.text}")


def check(census: Census, tally: Tally, repeats: Repeats, data: DataConfig) -> list[Finding]:
    """Checks a data set for bad pairs and for faults in its images, groups, splits and classes.

    Args:
      census: Counts of the files and pairs in the source.
      tally: Counts over the records of all pairs.
      repeats: Images that occur more than once, and groups that are divided between splits.
      data: The `data` section of the config.

    Returns:
      The findings, sorted by severity with errors first.
    """
    findings = [
        *_bad_pairs(census, tally, data),
        *_too_many_bad(census, tally, data),
        *_looks_binary(tally, data),
        *_repeats(repeats),
        *_splits(census, tally, data),
        *_classes(tally, data),
        *_inverted(tally, data),
        *_empty_masks(tally, data),
        *_narrow_range(tally, data),
        *_unused(census),
        *_ignored(census),
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
        raise InputError(*lines)


def _bad_pairs(census: Census, tally: Tally, data: DataConfig) -> Iterator[Finding]:
    """Yields one finding for each distinct fault, which covers all files that have the fault."""
    severity: Severity = "skipped" if data.on_bad_pair == "skip" else "error"
    # A change to `data.mask_values` applies to all masks, including good ones, so the advice takes
    # the values of all masks into account. Masks of numbers and masks of colours get separate
    # advice.
    unclear = [
        (VALUE_WITHOUT_CLASS, _values_without_class(tally.values[coloured], data), examples)
        for coloured, examples in tally.unclear.items()
    ]
    unpaired = census.problems.examples.get("unpaired", {})
    advice = advice_on_patterns(*(_files_without(unpaired, kind) for kind in ("mask", "image")))
    for faults in (_by_fault(census.problems), [*_by_fault(tally.faults), *unclear]):
        for kind, reason, examples in sorted(faults, key=lambda fault: fault[2].first):
            text = f"{reason} {advice}" if kind == "unpaired" and advice else reason
            yield Finding.of(kind, severity, text, examples)


def _files_without(unpaired: Mapping[str, Examples], kind: str) -> list[str]:
    """Returns some of the files that have no partner of the given kind."""
    return [
        path
        for reason, examples in unpaired.items()
        if reason.startswith(f"no {kind} ")
        for path in examples.where
    ]


def _by_fault(faults: Faults) -> list[tuple[str, str, Examples]]:
    return [
        (kind, _OTHER_FAULTS if reason == OTHER else reason, examples)
        for kind, reasons in faults.examples.items()
        for reason, examples in reasons.items()
    ]


def _values_without_class(present: Iterable[int | str], data: DataConfig) -> str:
    known = {f"#{v:06x}" if data.by_colour else v for v in data.class_of_value}
    unknown = [str(value) for value in sorted({*present} - known, key=_as_number)]
    shown = ", ".join(unknown[:_MOST_VALUES]) + (", …" if len(unknown) > _MOST_VALUES else "")
    plural = "s" if len(unknown) > 1 else ""
    return f"no class for the pixel value{plural} {shown}. {advice_on_values(present, data)}"


def _as_number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value[1:], 16)


def _too_many_bad(census: Census, tally: Tally, data: DataConfig) -> Iterator[Finding]:
    bad = census.problems.count + tally.bad.total()
    total = bad + tally.good.total()
    if data.on_bad_pair == "skip" and bad > data.max_bad_fraction * total:
        text = (
            f"{bad} of {total} pairs are bad, more than data.max_bad_fraction "
            f"{data.max_bad_fraction:g} allows. Correct the pairs, or raise this limit."
        )
        yield Finding("too_many_bad", "error", (), text)


def _is_binary(tally: Tally, data: DataConfig) -> bool:
    return tally.good_values == {0, IGNORE} and data.ignore_value == IGNORE and not data.mask_values


def _looks_binary(tally: Tally, data: DataConfig) -> Iterator[Finding]:
    if _is_binary(tally, data):
        text = (
            f"The masks hold only 0 and 255, and 255 is data.ignore_value, so only "
            f"{data.classes[0]} would be learnt. If 255 is a class, write, under data: "
            f"{mask_values_line(data.classes)}"
        )
        yield Finding("looks_binary", "error", (), text)


def _repeats(repeats: Repeats) -> Iterator[Finding]:
    if repeats.across.count:
        text = (
            "the same image in several splits, so the metrics would be too optimistic. Remove the "
            "copies, or put them into one group (data.group)."
        )
        yield Finding.of("duplicate_across_splits", "error", text, repeats.across)
    if repeats.within.count:
        text = (
            "the same image several times in one split. Remove the copies, unless they are "
            "intended."
        )
        yield Finding.of("duplicate", "warning", text, repeats.within)
    if repeats.flat.count:
        text = (
            "the same image of one flat colour several times. Remove these pairs, unless such "
            "images will also come later."
        )
        yield Finding.of("flat_images", "warning", text, repeats.flat)
    if repeats.divided.count:
        text = (
            "a group with pairs in several splits, so the metrics would be too optimistic. Move "
            "all pairs of the group into one split."
        )
        yield Finding.of("group_across_splits", "error", text, repeats.divided)


def _splits(census: Census, tally: Tally, data: DataConfig) -> Iterator[Finding]:
    members = tally.good
    # With `on_bad_pair: fail`, the user has to correct all bad pairs before a run, so bad pairs
    # count as usable here.
    if data.on_bad_pair == "fail":
        members = tally.good + tally.bad
        if census.problems.count and not members:
            return
    for split in SPLITS:
        if not members[split]:
            yield Finding("empty_split", "error", (), _no_pairs(split, data))
        elif members[split] < _FEWEST_PAIRS:
            text = (
                f"the split {split!r} has only {members[split]} of {members.total()} pairs. Add "
                "pairs, or give it a larger share in data.splits."
            )
            yield Finding("small_split", "warning", (), text)


def _no_pairs(split: SplitName, data: DataConfig) -> str:
    fault = f"the split {split!r} has no usable pairs."
    now = data.take_val_from_train if split == "val" else data.take_test_from_train
    taken = f"take_{split}_from_train: {min(0.5, max(0.1, 2 * now)):g}"
    by_hash = (
        f"{fault} Unless the source defines the splits, a hash of the group assigns each pair to a "
        "split. Add pairs, use smaller groups, or give this split a larger share in data.splits."
    )
    place = data.source.place_of_split(split)
    if place is None or split == "train":
        return by_hash
    advice = f"Add {place}, or take a part of train: write, under data: {taken}"
    return f"{by_hash} {advice}" if data.source.may_hash_splits else f"{fault} {advice}"


def _classes(tally: Tally, data: DataConfig) -> Iterator[Finding]:
    present = [
        name
        for name, of_class in zip(data.classes, tally.classes, strict=False)
        if of_class.pairs.count
    ]
    if len(present) == 1 and not _is_binary(tally, data):
        text = (
            f"only the class {present[0]} occurs in the masks, so there is nothing to learn. Check "
            "data.mask_values, and whether the labels are in the files that data.source finds."
        )
        yield Finding("one_class", "error", (), text)
        return
    absent, one_sided = [], []
    for name, of_class in zip(data.classes, tally.classes, strict=False):
        splits = [split for split in SPLITS if of_class.splits[split]]
        if not splits:
            absent.append(name)
        elif len(splits) == 1 or "train" not in splits:
            one_sided.append((name, " and ".join(splits), of_class.pairs))
    if absent:
        text = (
            f"{_in_words(absent)} in no mask. Check data.classes and data.mask_values, or remove "
            "what is not needed."
        )
        yield Finding("class_never", "warning", (), text)
    for name, where, pairs in one_sided[:_MOST_NAMES]:
        text = (
            f"the class {name} occurs in {where} only ({pairs.count} pairs), so it cannot be both "
            "learnt and measured. Add pairs with this class."
        )
        yield Finding.of("class_in_one_split", "warning", text, pairs)
    if others := [f"{name} ({where})" for name, where, _ in one_sided[_MOST_NAMES:]]:
        text = f"{_in_words(others)} in one part of the data only, too. Add pairs with them."
        yield Finding("class_in_one_split", "warning", (), text)


def _in_words(classes: Sequence[str]) -> str:
    several = len(classes) > 1
    return f"the class{'es' if several else ''} {listed(classes)} occur{'' if several else 's'}"


def _inverted(tally: Tally, data: DataConfig) -> Iterator[Finding]:
    if tally.inverted.count:
        total = tally.inverted_pixels.total()
        shares = ", ".join(
            f"{name} {tally.inverted_pixels[class_id] / total:.0%}"
            for class_id, name in enumerate(data.classes)
            if tally.inverted_pixels[class_id]
        )
        text = (
            "a TIFF mask in which 0 is white, so its values are read inverted, as image viewers "
            f"show them. This gives {shares}. If the shares should be the other way round, save "
            "the mask as PNG with the values meant."
        )
        yield Finding.of("inverted_mask", "warning", text, tally.inverted)


def _empty_masks(tally: Tally, data: DataConfig) -> Iterator[Finding]:
    if tally.empty.count:
        text = (
            f"{tally.empty.count} of {tally.good.total()} masks contain only the class "
            f"{data.classes[0]}."
        )
        yield Finding.of("empty_mask", "note", text, tally.empty)


def _narrow_range(tally: Tally, data: DataConfig) -> Iterator[Finding]:
    greatest = tally.max_sample
    if data.intensity_range is None and 0 < greatest < _NARROW:
        text = (
            f"the 16-bit images never exceed {greatest}, so most of their contrast is lost. Write, "
            f"under data: intensity_range: [0, {2 ** greatest.bit_length() - 1}]"
        )
        yield Finding("narrow_range", "warning", (), text)


def _unused(census: Census) -> Iterator[Finding]:
    if census.unused.count:
        text = f"{census.unused.count} pairs are in no split list, so they are not used."
        yield Finding.of("unused", "note", text, census.unused)


def _ignored(census: Census) -> Iterator[Finding]:
    for reason, examples in sorted(census.ignored.items()):
        yield Finding.of("ignored", "note", reason, examples)
