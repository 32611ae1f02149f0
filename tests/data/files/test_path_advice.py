"""Paths in tables and split lists as people write them; each faulty row says what to write."""

import pytest

from data.config import ManifestSource
from tests.data.finding import find_raw
from tests.data.sources.folders import find_in

LONG = "a" * 300
CELLS = {
    "a long name": (f"images/{LONG}.png", "a name of 304 bytes; files have at most 255"),
    "a long path": ("d/" * 3000 + "1.png", "a path of 6005 bytes; paths have at most 4095"),
    "backslashes": (r"images\1.png", r"Write / instead of \ in the path"),
    "a drive": (r"C:\data\images\1.png", "letter of a drive. Write it relative to the folder of"),
    "a drive with slashes": ("C:/data/images/1.png", "letter of a drive"),
    "file://": ("file:///data/images/1.png", "Write it without file://"),
    "an unknown scheme": ("s3://bucket/1.png", "s3:// cannot be read. Copy the files"),
}


@pytest.mark.parametrize(("cell", "message"), CELLS.values(), ids=CELLS)
def test_a_row_of_a_table_says_what_to_write(tmp_path, write_files, cell, message):
    write_files(tmp_path, "images/1.png", "masks/1.png", "masks/2.png")
    table = tmp_path / "pairs.csv"
    table.write_text(f"image,mask\nimages/1.png,masks/1.png\n{cell},masks/2.png\n")
    found = find_raw(ManifestSource(kind="manifest", path=str(table)), "group")
    assert [pair.key for pair in found.pairs] == ["images/1"]
    (problem,) = found.problems
    assert problem.file.startswith(f"{table}:3 (")
    assert message in problem.reason


ENTRIES = {
    "two columns": ("2 masks/2.png", "If the list has several columns, keep that of the images"),
    "two columns, tab": ("2\t2", "several columns"),
    "two columns, comma": ("images/2.png,masks/2.png", "several columns"),
    "two columns, folders": (
        "images/2.png masks/2.png",
        "keep that of the images. Write the path relative to",
    ),
    "quotes": ('"2"', "Remove the quotes"),
    "the folder": ("images/2.png", "Write the path relative to"),
    "a dot": ("./2.png", "Write the path relative to"),
    "absolute": ("/data/images/2.png", "Write the path relative to"),
    "a drive": (r"D:\images\2.png", "letter of a drive. Write it relative to"),
    "backslashes": (r"x\2.png", r"Write / instead of \ in the path"),
    "file://": ("file:///2.png", "Write it without file://"),
    "a long name": (LONG, "a name of 300 bytes"),
    "NUL": ("2\0", r"the character '\x00'. Remove it"),
    "no file": ("3", "no such image in"),
}


@pytest.mark.parametrize(("entry", "message"), ENTRIES.values(), ids=ENTRIES)
def test_a_line_of_a_split_list_says_what_to_write(tmp_path, write_files, entry, message):
    write_files(tmp_path, "images/1.png", "masks/1.png", "images/2.png", "masks/2.png")
    (tmp_path / "train.txt").write_text(f"1\n{entry}\n")
    found = find_in(tmp_path, split_lists={"train": "train.txt"})
    assert [pair.key for pair in found.pairs] == ["1"]
    (problem,) = found.problems
    assert problem.kind == "not_in_folder"
    assert problem.file == f"{tmp_path}/train.txt:2 ({entry})"
    assert message in problem.reason


def test_equal_faults_have_equal_reasons(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1.png")
    (tmp_path / "train.txt").write_text("2\t2\n3\t3\nfile:///2\nfile:///3\n")
    found = find_in(tmp_path, split_lists={"train": "train.txt"})
    assert len({problem.reason for problem in found.problems}) == 2
