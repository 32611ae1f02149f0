import html

import pytest
from markdown_it import MarkdownIt

from serving.card.markdown import card_markdown
from serving.card.sections import card_sections
from tests.cards import make_card
from tests.pages import HOSTILE

render = MarkdownIt("commonmark").enable("table").render


def test_a_card_is_markdown():
    text = card_markdown(make_card())
    assert text.startswith("# lake\n\n## Intended use\n\nlake\n\n## Limits\n")
    assert "| mean\\_iou | 0.780 | 0.576–0.902 |\n" in text
    assert text == card_markdown(make_card())
    page = render(text)
    assert page.count("<table>") == 7
    assert page.count("<h2>") == 13


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "[a](javascript:alert(1)) ![b](x) `c` **d** _e_ <https://x> a|b",
        "1. one",
        "- item",
        "# heading\n\n---\n\n<b>bold</b>",
        "=====",
        "&lt;b&gt; \\ \\`",
        "$x$ ~~y~~ [^1] ^z^",
    ],
)
def test_texts_of_others_stay_text(text):
    plain, page = render(card_markdown(make_card())), render(card_markdown(make_card(text)))
    for tag in ("<h", "<li", "<td", "<t", "<p>", "<a", "<img", "<code", "<em", "<strong", "<b>"):
        assert page.count(tag) == plain.count(tag), tag
    shown = html.unescape(page)
    for section in card_sections(make_card(text)):
        for line in section.lines:
            assert line in shown
