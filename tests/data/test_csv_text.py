import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.csv_text import csv_text, path_cell

CELLS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("=+-@\t\r\n;,'\""))


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4))
def test_no_cell_is_a_formula_and_all_cells_can_be_read(rows):
    text = csv_text(rows)
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    for row, cells in zip(rows, read, strict=True):
        for before, after in zip(row, cells, strict=True):
            assert not after.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert after in (before, f"'{before}")


def test_a_separator_of_another_country_does_not_begin_a_cell():
    assert csv_text([["a;=1+1", "b\t=1"], ["", "0.5"]]) == '"a;=1+1","b\t=1"\n"","0.5"\n'


@pytest.mark.parametrize("path", ["=1+1.png", "-1.png", "@x.png", "+.png", "a.png", "/=.png"])
def test_a_path_stays_a_path(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = path_cell(path)
    assert csv_text([[cell]]) == f'"{cell}"\n'
    if not path.startswith("/"):
        (tmp_path / path).touch()
        assert (tmp_path / cell).exists()
