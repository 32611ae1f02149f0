"""The tests that the pages name, exist."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/\S+?\.py)\)")
NAMED = [
    (page.name, *named)
    for page in sorted(DOCS.glob("*.md"))
    for named in TEST.findall(page.read_text())
]


@pytest.mark.parametrize(("page", "name", "file"), NAMED)
def test_a_test_that_a_page_names_exists(page, name, file):
    assert f"\ndef {name}(" in (DOCS.parent / file).read_text()


def test_all_limits_name_a_test():
    section = (DOCS / "checks.md").read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    limits = [row for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(limits) > 9
    assert [row for row in limits if not TEST.search(row)] == []
