import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import DataConfig, ManifestSource
from data.errors import InputError
from data.listing.listing import find_columns
from data.listing.pairs import find_pairs
from tests.data.finding import find_raw, fingerprint

TWO = [{"image": "images/1.jpg", "mask": "masks/1.png"}, {"image": "a/2.tif", "mask": "b/2_m.png"}]


@pytest.fixture
def write_manifest(write_file, write_files):
    """Writes a manifest and, unless `files` is false, the files that it lists."""

    def write(path, rows, *, files=True):
        root = path.rpartition("/")[0]
        if path.endswith(".jsonl"):
            text = "\n".join(map(json.dumps, rows))
        else:
            lines = io.StringIO(newline="")
            table = csv.DictWriter(lines, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
            text = lines.getvalue()
        write_file(path, text.encode())
        if files:
            cells = (row.get(kind) for row in rows for kind in ("image", "mask"))
            write_files(root, *(cell for cell in cells if cell))
        return path

    return write


def find(path, *, group="group", **options):
    return find_raw(ManifestSource(kind="manifest", path=str(path), **options), group)


def config(path, group=None, **options):
    source = {"kind": "manifest", "path": str(path)} | options
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"], "group": group})


def find_all(path, group=None, **options):
    return find_pairs(config(path, group, **options), name="cells", folder="")


def problems(path, **options):
    return [(problem.kind, problem.file) for problem in find(path, **options).problems]


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        find(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl", "PAIRS.CSV"])
def test_paths_are_relative_to_the_manifest(anywhere, write_manifest, name):
    found = find(write_manifest(f"{anywhere}/{name}", TWO))
    assert found.problems == []
    assert found.pairs == [
        ("images/1", f"{anywhere}/images/1.jpg", f"{anywhere}/masks/1.png", None, None, None, {}),
        ("a/2", f"{anywhere}/a/2.tif", f"{anywhere}/b/2_m.png", None, None, None, {}),
    ]


def test_a_manifest_in_the_current_folder(tmp_path, write_manifest, monkeypatch):
    write_manifest(f"{tmp_path}/pairs.csv", TWO)
    monkeypatch.chdir(tmp_path)
    assert [pair[:3] for pair in find("pairs.csv").pairs] == [
        ("images/1", "images/1.jpg", "masks/1.png"),
        ("a/2", "a/2.tif", "b/2_m.png"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '\ufeffimage,mask\r\n"images/1, left.png",masks/1.png\r\n',
        'mask,image\nmasks/1.png,"images/1, left.png"',
        '\n image , mask \n\n "images/1, left.png", masks/1.png \n,\n'.replace(' "', '"'),
        'image,mask,remark\n"images/1, left.png",masks/1.png,"two\nlines, ""quoted"""\n',
    ],
    ids=["mark and CRLF", "other order", "blanks", "quotes"],
)
def test_csv_as_people_write_it(tmp_path, write_files, write_file, text):
    write_files(tmp_path, "images/1, left.png", "masks/1.png")
    write_file(f"{tmp_path}/pairs.csv", text.encode())
    found = find(f"{tmp_path}/pairs.csv")
    assert [(pair.key, pair.image) for pair in found.pairs] == [
        ("images/1, left", f"{tmp_path}/images/1, left.png")
    ]
    assert found.problems == []


@pytest.mark.parametrize("separator", [";", "\t", ", ", "; "])
@pytest.mark.parametrize("quote", ["", '"'])
def test_tables_of_spreadsheets_have_other_separators(
    tmp_path, write_files, write_file, separator, quote
):
    write_files(tmp_path, "images/1,5.jpg", "masks/1.png")
    rows = [["image", "mask"], ["images/1,5.jpg", "masks/1.png"]]
    if not quote and separator == ", ":
        rows[1][0] = f'"{rows[1][0]}"'
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    write_file(f"{tmp_path}/pairs.csv", "\n".join(["", *lines]).encode())
    (pair,) = find(tmp_path / "pairs.csv").pairs
    assert pair.key == "images/1,5"


def test_a_table_may_end_in_tsv(tmp_path, write_files, write_file):
    write_files(tmp_path, "1.jpg", "1.png")
    write_file(f"{tmp_path}/pairs.TSV", b"image\tmask\n1.jpg\t1.png\n")
    assert [pair.key for pair in find(tmp_path / "pairs.TSV").pairs] == ["1"]


def test_columns_may_have_other_names(tmp_path, write_files, write_manifest):
    rows = [{"photo": "1.jpg", "label": "1.png", "set": "test", "patient": 7, "origin": "lab"}]
    path = write_manifest(f"{tmp_path}/pairs.jsonl", rows, files=False)
    write_files(tmp_path, "1.jpg", "1.png")
    options = {"image": "photo", "mask": "label", "split": "set", "source": "origin"}
    (pair,) = find_all(path, group="patient", **options).pairs
    assert (pair.split, pair.group, pair.source) == ("test", "7", "lab")


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_split_group_and_source_of_a_row(tmp_path, write_manifest, name):
    rows = [
        {"image": f"{n}.jpg", "mask": f"{n}.png", "split": split, "group": "g", "source": source}
        for n, (split, source) in enumerate(
            [("train", "a"), ("Validation", "b"), ("valid", ""), ("TEST", "a"), ("", "a")]
        )
    ]
    pairs = find_all(write_manifest(f"{tmp_path}/{name}", rows)).pairs
    by_hash = pairs[4].split
    assert by_hash in ("train", "val", "test")
    assert [pair.split for pair in pairs] == ["train", "val", "val", "test", by_hash]
    assert [pair.source for pair in pairs] == ["a", "b", "cells", "a", "a"]
    assert {pair.group for pair in pairs} == {"g"}


def test_a_group_that_no_column_has_is_an_expression(tmp_path, write_manifest):
    path = write_manifest(f"{tmp_path}/pairs.csv", [row | {"group": "g"} for row in TWO])
    assert [pair.group for pair in find_all(path, group="group").pairs] == ["g", "g"]
    assert [pair.group for pair in find_all(path, group="^[^/]+").pairs] == ["a", "images"]
    with pytest.raises(
        InputError, match=r"'patient' is not a column of a manifest.*it matches no pair"
    ):
        find_all(path, group="patient")


# -- the other columns

LABELLED = [
    TWO[0] | {"split": "test", "scanner": "A", "age": 7, "note": "x, y"},
    TWO[1] | {"split": "", "scanner": "Zürich", "age": None, "note": ""},
]


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_other_columns_are_kept(tmp_path, write_manifest, name):
    path = write_manifest(f"{tmp_path}/{name}", LABELLED)
    two, one = find_all(path).pairs
    assert one.columns == {"age": "7", "note": "x, y", "scanner": "A"}
    assert two.columns == {"age": "", "note": "", "scanner": "Zürich"}
    assert [list(pair.columns) for pair in (one, two)] == [["age", "note", "scanner"]] * 2


@pytest.mark.parametrize("kept", [[], ["scanner"], ["split", "scanner"]])
def test_the_config_may_name_the_columns_to_keep(tmp_path, write_manifest, kept):
    path = write_manifest(f"{tmp_path}/pairs.csv", LABELLED)
    assert [sorted(pair.columns) for pair in find_all(path, columns=kept).pairs] == [
        sorted(kept)
    ] * 2
    assert "no column 'skanner', which data.source.columns names (did you mean 'scanner'?)" in (
        refusal(path, columns=["skanner"])
    )


def test_a_column_of_one_span_is_empty_in_the_others(tmp_path, write_manifest):
    for span, more in ((1, {}), (2, {"scanner": "A"})):
        row = {"image": f"{span}.png", "mask": f"{span}m.png", "country": "CH"}
        write_manifest(f"{tmp_path}/{span}/pairs.csv", [row | more])
    one, two = find_all(f"{tmp_path}/{{SPAN}}/pairs.csv").pairs
    assert one.columns == {"country": "CH", "scanner": ""}
    assert two.columns == {"country": "CH", "scanner": "A"}


@pytest.mark.parametrize(
    ("options", "columns"), [({}, ["country", "scanner"]), ({"columns": ["scanner"]}, ["scanner"])]
)
def test_columns_are_found_by_the_tables_alone(tmp_path, write_manifest, options, columns):
    rows = [row | {"scanner": "A", "country": "CH"} for row in TWO]
    write_manifest(f"{tmp_path}/1/pairs.csv", rows, files=False)
    write_manifest(f"{tmp_path}/2/pairs.csv", rows, files=False)
    source = {"kind": "manifest", "path": f"{tmp_path}/{{SPAN}}/pairs.csv"} | options
    data = DataConfig.model_validate({"source": source, "classes": ["a", "b"]})
    assert find_columns(data) == columns


def test_the_fingerprint_sees_a_cell_that_is_kept(tmp_path, write_manifest):
    before, elsewhere, other = (
        write_manifest(f"{tmp_path}/{name}.csv", rows)
        for name, rows in {
            "before": LABELLED,
            "elsewhere": [dict(reversed(row.items())) for row in LABELLED],
            "other": [row | {"note": "z"} for row in LABELLED],
        }.items()
    )
    assert fingerprint(config(before)) == fingerprint(config(elsewhere))
    assert fingerprint(config(before)) != fingerprint(config(other))
    kept = {"columns": ["scanner"]}
    assert fingerprint(config(before, **kept)) == fingerprint(config(other, **kept))


# -- rows without a pair


@pytest.mark.parametrize(
    ("row", "kind", "what"),
    [
        ({"image": "1.png", "mask": ""}, "unpaired", "1.png"),
        ({"image": "", "mask": "1.png"}, "unpaired", "1.png"),
        ({"image": "1.npy", "mask": "1.png"}, "not_an_image", "1.npy"),
        ({"image": "1.png", "mask": "1.txt"}, "not_an_image", "1.txt"),
        ({"image": "1.png", "mask": "../m/1.png"}, "outside_root", "../m/1.png"),
        ({"image": "x/../../1.png", "mask": "1.png"}, "outside_root", "x/../../1.png"),
        ({"image": "/etc/1.png", "mask": "1.png"}, "outside_root", "/etc/1.png"),
        ({"image": "gs://other/1.png", "mask": "1.png"}, "outside_root", "gs://other/1.png"),
        ({"image": "1.png", "mask": "1m.png", "split": "dev2"}, "unknown_split", "1.png"),
        ({"image": "1.png", "mask": "1m.png", "group": ""}, "no_group", "1.png"),
    ],
)
@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_a_bad_row_is_named_by_its_line(
    anywhere, write_files, write_manifest, name, row, kind, what
):
    good = {"image": "a.png", "mask": "b.png", "split": "train", "group": "g"}
    path = write_manifest(
        f"{anywhere}/{name}", [good, {"split": "", "group": "g"} | row], files=False
    )
    write_files(anywhere, "a.png", "b.png", "1.png", "1m.png")
    found = find(path)
    assert [pair.key for pair in found.pairs] == ["a"]
    line = 3 if name == "pairs.csv" else 2
    assert [(problem.kind, problem.file) for problem in found.problems] == [
        (kind, f"{path}:{line} ({what})")
    ]


def test_lines_are_counted_as_an_editor_does(tmp_path, write_file):
    text = 'image,mask,remark\n\n1.png,1.txt,"two\nlines"\n2.png,2.txt,\n'
    write_file(f"{tmp_path}/pairs.csv", text.encode())
    assert [file for _, file in problems(f"{tmp_path}/pairs.csv")] == [
        f"{tmp_path}/pairs.csv:3 (1.txt)",
        f"{tmp_path}/pairs.csv:5 (2.txt)",
    ]


def test_missing_files_are_named(anywhere, write_manifest, write_files):
    rows = [*TWO, {"image": "x.png", "mask": "y.png"}]
    path = write_manifest(f"{anywhere}/pairs.csv", rows, files=False)
    write_files(anywhere, "images/1.jpg", "a/2.tif", "b/2_m.png")
    found = find(path)
    assert [pair.key for pair in found.pairs] == ["a/2"]
    assert [(problem.kind, problem.file) for problem in found.problems] == [
        ("missing_file", f"{path}:2 ({anywhere}/masks/1.png)"),
        ("missing_file", f"{path}:4 ({anywhere}/x.png and {anywhere}/y.png)"),
    ]
    assert len({problem.reason for problem in found.problems}) == 1


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([("1.png", "1m.png"), ("1.png", "2m.png")], "doubly_paired"),
        ([("1.png", "1m.png"), ("x/../1.png", "2m.png")], "doubly_paired"),
        ([("1.png", "1m.png"), ("2.png", "1m.png")], "doubly_paired"),
        ([("1.png", "1m.png"), ("1.png", "1m.png")], "doubly_paired"),
        ([("1.png", "1m.png"), ("1.jpg", "2m.png")], "same_name"),
    ],
)
def test_rows_that_contradict_each_other_make_no_pair(tmp_path, write_manifest, rows, kind):
    (tmp_path / "x").mkdir()
    rows = [*rows, ("3.png", "3m.png")]
    table = [{"image": image, "mask": mask} for image, mask in rows]
    found = find(write_manifest(f"{tmp_path}/pairs.csv", table))
    assert [pair.key for pair in found.pairs] == ["3"]
    assert [(problem.kind, problem.file.split(":")[1][0]) for problem in found.problems] == [
        (kind, "2"),
        (kind, "3"),
    ]


# -- the root


def test_a_link_out_of_the_root_is_refused(tmp_path, write_manifest, write_files):
    write_files(tmp_path, "elsewhere/1.png", "top/1.png", "top/deep/2.png")
    (tmp_path / "top/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top/inner").symlink_to(tmp_path / "top/deep")
    rows = [{"image": "link/1.png", "mask": "1.png"}, {"image": "inner/2.png", "mask": "1.png"}]
    path = write_manifest(f"{tmp_path}/top/pairs.csv", rows, files=False)
    assert problems(path) == [("outside_root", f"{path}:2 (link/1.png)")]
    assert problems(path, allow_outside=True) == [
        ("doubly_paired", f"{path}:2 ({tmp_path}/top/link/1.png)"),
        ("doubly_paired", f"{path}:3 ({tmp_path}/top/inner/2.png)"),
    ]


def test_a_root_reached_by_a_link_is_the_root(tmp_path, write_manifest):
    write_manifest(f"{tmp_path}/top/pairs.csv", TWO)
    (tmp_path / "link").symlink_to(tmp_path / "top")
    assert problems(f"{tmp_path}/link/pairs.csv") == []


def test_an_absolute_path_within_the_root_is_inside(tmp_path, write_manifest, write_files):
    rows = [{"image": f"{tmp_path}/x/1.png", "mask": f"{tmp_path}/y/../1.png"}]
    path = write_manifest(f"{tmp_path}/pairs.csv", rows, files=False)
    write_files(tmp_path, "x/1.png", "1.png")
    (pair,) = find(path).pairs
    assert pair[:3] == ("x/1", f"{tmp_path}/x/1.png", f"{tmp_path}/1.png")


def test_paths_may_lead_out_if_allowed(tmp_path, remote_folder, write_manifest, write_files):
    rows = [
        {"image": "../1.png", "mask": f"{tmp_path}/1m.png"},
        {"image": f"{remote_folder}/x/2.png", "mask": "2m.png"},
    ]
    path = write_manifest(f"{tmp_path}/top/pairs.csv", rows, files=False)
    write_files(tmp_path, "1.png", "1m.png", "top/2m.png")
    write_files(remote_folder, "x/2.png")
    found = find(path, allow_outside=True)
    assert found.problems == []
    assert [pair[:3] for pair in found.pairs] == [
        (f"{tmp_path}/1".lstrip("/"), f"{tmp_path}/1.png", f"{tmp_path}/1m.png"),
        (
            f"{remote_folder}/x/2".removeprefix("ram://"),
            f"{remote_folder}/x/2.png",
            f"{tmp_path}/top/2m.png",
        ),
    ]


# -- manifests that cannot be read


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_a_missing_column_is_named_with_the_nearest(tmp_path, write_manifest, name):
    rows = [{"Image": "1.png", "mask": "2.png"}]
    path = write_manifest(f"{tmp_path}/{name}", rows, files=False)
    assert refusal(path) == (
        f"{path}: no column 'image', which data.source.image names (did you mean 'Image'?). "
        "Found the columns ['Image', 'mask']."
    )


@pytest.mark.parametrize("key", ["mask", "split", "source"])
def test_a_column_that_the_config_names_must_be_there(tmp_path, write_manifest, key):
    path = write_manifest(f"{tmp_path}/pairs.csv", TWO)
    assert f"no column 'other', which data.source.{key} names." in refusal(path, **{key: "other"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "{path}: no rows."),
        ("a.csv", "image,mask\n", "{path}: no rows."),
        ("a.jsonl", "\n", "{path}: no rows."),
        ("a.csv", "image|mask\n1.png|2.png\n", "{path}: no column 'image'"),
        ("a.csv", "image,mask,image\n1,2,3\n", "{path}:1: two columns are named 'image'."),
        ("a.csv", "image,mask\n1.png,2.png\n1, left.png,2.png\n", "{path}:3: found 3 cells"),
        ("a.csv", "image,mask\n1.png\n", "{path}:2: found 1 cells"),
        ("a.csv", "image,mask\n1\0.png,2.png\n", "{path}:2: "),
        ("a.jsonl", '{"image": "1\\u0000.png"}', "{path}:1: a cell contains the character '\\x00'"),
        ("a.jsonl", '{"image": "\\ud800"}', "{path}:1: a cell contains the character '\\ud800'."),
        ("a.jsonl", '{"image": ' + "[" * 991 + "]" * 991 + "}", "{path}:1: not JSON (maximum rec"),
        ("a.jsonl", "[" * 100_000, "{path}:1: not JSON (maximum recursion"),
        ("a.jsonl", '{"image": ' + "1" * 5000 + "}", "{path}:1: not JSON (Exceeds the limit"),
        ("a.jsonl", '{"image": 1, "image": 2}', "{path}:1: the key 'image' is given twice."),
        ("a.csv", 'image,mask\n1.png,"2.png\n', "{path}:2: not CSV ("),
        ("a.csv", 'image,mask\n"1".png,2.png\n', "{path}:2: not CSV ("),
        ("a.jsonl", '{"image": 1}\n{"image": \n', "{path}:2: not JSON ("),
        ("a.jsonl", '["image", "mask"]', "{path}:1: expected an object"),
    ],
)
def test_an_unreadable_manifest_is_refused(tmp_path, write_file, name, text, message):
    path = f"{tmp_path}/{name}"
    write_file(path, text.encode())
    assert refusal(path).startswith(message.format(path=path))


def test_a_missing_manifest_is_named(anywhere):
    assert refusal(f"{anywhere}/pairs.csv").startswith(f"{anywhere}/pairs.csv: no such file")


CELLS = st.sampled_from(["", "1.png", "2.png", "x/1.png", "1.jpg", "a.txt", "../1.png", "gone.png"])


@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_no_row_is_ever_dropped(tmp_path_factory, write_file, write_files, cells):
    root = tmp_path_factory.mktemp("manifest")
    write_files(root, "1.png", "2.png", "x/1.png", "1.jpg")
    rows = [{"image": image, "mask": mask} for image, mask in cells]
    write_file(f"{root}/pairs.jsonl", "\n".join(map(json.dumps, rows)).encode())
    found = find(f"{root}/pairs.jsonl")
    in_pairs = {
        (pair.image.removeprefix(f"{root}/"), pair.mask.removeprefix(f"{root}/"))
        for pair in found.pairs
    }
    lines_in_pairs = [number for number, row in enumerate(cells, 1) if row in in_pairs]
    lines_in_problems = [
        int(problem.file.split(":")[1].split(" ")[0]) for problem in found.problems
    ]
    assert sorted(lines_in_pairs + lines_in_problems) == list(range(1, len(cells) + 1))
    assert len({pair.key for pair in found.pairs}) == len(found.pairs)
    assert len({pair.mask for pair in found.pairs}) == len(found.pairs)
