"""Lays out a model card as sections, which become Markdown or a part of an HTML page."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.class_names import class_key
from data.printable import printable
from serving.card.card import CardNetwork, CardSpeed, Measured, ModelCard

_MOST_COLUMNS = 12  # of a table with a column for each class
_NOT_WRITTEN = "Not stated: the key card.{} of the config is empty."


class CardSection(NamedTuple):
    """A part of a model card. Every text is one line of plain text, without markup.

    Attributes:
      title: Heading of the section.
      lines: Paragraphs, or the items of a list if there are several.
      table: Rows of a table, the first of which is its head; empty without a table.
    """

    title: str
    lines: Sequence[str]
    table: Sequence[Sequence[str]] = ()


def card_sections(card: ModelCard) -> list[CardSection]:
    """Lays out a card.

    Args:
      card: The card. Its texts may come from others, such as names of classes and groups.

    Returns:
      The sections in the order in which they are read.
    """
    return [
        CardSection(
            plain_line(section.title),
            [plain_line(line) for line in section.lines],
            [[plain_line(cell) for cell in row] for row in section.table],
        )
        for section in _sections(card)
    ]


def plain_line(text: str) -> str:
    """Returns a text as one line, without control characters."""
    return printable(" ".join(text.split()))


def _sections(card: ModelCard) -> Iterator[CardSection]:
    for title, key in (
        ("Intended use", "intended_use"),
        ("Limits", "limits"),
        ("Contact", "contact"),
    ):
        yield CardSection(title, [getattr(card.texts, key) or _NOT_WRITTEN.format(key)])
    yield CardSection("Known weak spots", card.weak_spots or ["None was found on the test split."])
    yield _verdict(card)
    yield CardSection(
        "Metrics",
        [f"On the test split: {_count(card.images, 'image')} of {_count(card.groups, 'group')}."],
        [
            ["metric", "value", "95 % interval"],
            *(
                [name, *_measured(metric)]
                for name, metric in card.metrics.items()
                if "/" not in name
            ),
        ],
    )
    yield CardSection("Metrics by class", [], list(_class_table(card)))
    yield _calibration(card)
    if card.slices:
        yield _slices(card)
    yield _data(card)
    yield CardSection("Network", [], [["property", "value"], *_network(card.network)])
    yield _speed(card.speed)
    made = [["trained", f"{card.trained} UTC"]] if card.trained else []
    versions = [list(version) for version in card.versions.items()]
    yield CardSection("Versions", [], [["software", "version"], *made, *versions])


def _verdict(card: ModelCard) -> CardSection:
    verdict = card.verdict
    blessed = "The gate blessed this model." if verdict.blessed else "The gate did not bless it."
    compared = f" It was compared with {verdict.baseline}." if verdict.baseline else ""
    lines = [blessed + compared, *verdict.rules, *verdict.remarks, *verdict.decisions]
    return CardSection("Verdict of the gate", lines)


def _calibration(card: ModelCard) -> CardSection:
    if card.temperature is None:
        return CardSection("Calibration", ["The probabilities have no temperature."])
    before, after = (
        _measured(card.metrics.get(name, Measured(value=None)))[0]
        for name in ("raw_calibration_error", "calibration_error")
    )
    line = (
        f"A temperature of {card.temperature:.3g}, fitted on val, divides the logarithms of the "
        f"probabilities. The expected calibration error on test is {before} without it and "
        f"{after} with it. The mask does not depend on it."
    )
    return CardSection("Calibration", [line])


def _class_table(card: ModelCard) -> Iterator[list[str]]:
    """Yields a row for each class, with its metrics and their intervals."""
    kinds = list(dict.fromkeys(name.partition("/")[0] for name in card.metrics if "/" in name))
    yield ["class", *kinds]
    for name in card.classes:
        metrics = (card.metrics[f"{kind}/{class_key(name)}"] for kind in kinds)
        yield [name, *(" ".join(_measured(metric)).strip() for metric in metrics)]


def _slices(card: ModelCard) -> CardSection:
    titles = {f"iou/{class_key(name)}": name for name in card.classes}
    names = list(card.slices[0].metrics)
    if len(card.classes) > _MOST_COLUMNS:
        names = [name for name in names if "/" not in name]
    rows = [
        [part.name, str(part.images), *(" ".join(_measured(part.metrics[name])) for name in names)]
        for part in card.slices
    ]
    return CardSection(
        "Slices",
        ["Parts of the test split, worst first."],
        [["slice", "images", *(titles.get(name, name) for name in names)], *rows],
    )


def _data(card: ModelCard) -> CardSection:
    spans = ", ".join(map(str, card.data.spans))
    lines = [f"Spans: {spans}."] if spans else []
    splits = card.data.splits
    rows = [
        ["images", *(str(split.images) for split in splits)],
        ["groups", *(str(split.groups) for split in splits)],
        *(
            [name, *(f"{split.shares[class_id]:.2%}" for split in splits)]
            for class_id, name in enumerate(card.classes)
        ),
    ]
    return CardSection(
        "Data",
        [*lines, f"Fingerprint of the files: {card.data.fingerprint}"],
        [["split", *(split.name for split in splits)], *rows],
    )


def _network(network: CardNetwork) -> Iterator[list[str]]:
    operations = "" if network.gflops is None else f"{network.gflops:.3g} GFLOPs for one input"
    for name, value in (
        ("architecture", network.architecture),
        ("input", network.view),
        ("precision of the training", network.precision),
        ("parameters", f"{network.parameters:,}"),
        ("size of the files", f"{network.mebibytes:.1f} MiB"),
        ("operations", operations),
        ("first weights of the encoder", network.weights),
        ("licence of these weights", network.licence),
    ):
        if value:
            yield [name, value]


def _speed(speed: CardSpeed) -> CardSection:
    rows = [
        [name, text.format(value)]
        for name, text, value in (
            ("median latency for one image", "{:.0f} ms", speed.p50_ms),
            ("95th percentile of the latency", "{:.0f} ms", speed.p95_ms),
            ("loading time", "{:.1f} s", speed.load_seconds),
            ("peak memory", "{:.0f} MiB", speed.peak_mib),
        )
        if value is not None
    ]
    line = f"ServingCheck sent {_count(speed.images, 'image')}, on the machine that ran it."
    return CardSection("Speed", [line], [["measurement", "value"], *rows] if rows else [])


def _measured(metric: Measured) -> tuple[str, str]:
    value = "–" if metric.value is None else f"{metric.value:.3f}"
    interval = metric.interval
    return value, f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
