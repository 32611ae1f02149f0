"""Renders a model card as Markdown."""

import re
from collections.abc import Iterator, Sequence

from serving.card.card import ModelCard
from serving.card.sections import CardSection, card_sections, plain_line

# Punctuation that Markdown or its extensions may take for markup.
_MARKUP = re.compile(r"[\\`*_{}\[\]()#|~!$^]")
# Beginnings of a line that would make it an item of a list or a heading.
_MARKER = re.compile(r"^([-+=]|\d{1,9}(?=[.)](?:\s|$)))")
# HTML is escaped by entities, since not every version of Markdown knows `\<`.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def card_markdown(card: ModelCard) -> str:
    """Returns a card as Markdown. Texts in the card cannot add markup or HTML.

    Args:
      card: The card.
    """
    parts = [f"# {_escaped(plain_line(card.name))}"]
    for section in card_sections(card):
        parts += _parts(section)
    return "\n\n".join(parts) + "\n"


def _parts(section: CardSection) -> Iterator[str]:
    yield f"## {section.title}"
    lines = list(map(_escaped, section.lines))
    if len(lines) > 1:
        yield "\n".join(f"- {line}" for line in lines)
    else:
        yield from lines
    if section.table:
        head, *rows = (list(map(_escaped, row)) for row in section.table)
        yield "\n".join(map(_row, [head, ["---"] * len(head), *rows]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\g<0>", text).translate(_HTML)
    marker = _MARKER.match(escaped)
    if marker is None:
        return escaped
    at = marker.end() if marker[0].isdigit() else 0
    return f"{escaped[:at]}\\{escaped[at:]}"
