import pytest

from pipeline.planning.class_names import find_class_names

TABLES = {
    "labelmap.txt": (
        "# label:…\nsky:1,2,3::\ntree:255,0,16::\n",
        {"#010203": "sky", "#ff0010": "tree"},
    ),
    "_classes.csv": ("Pixel Value, Class\n0, background\n2, car\n", {0: "background", 2: "car"}),
    "obj.names": ("a b\na_b\nmean\n+++\n", {0: "class_0", 1: "a_b", 2: "class_2", 3: "class_3"}),
    "classes.txt": ("a\nb b\n\nc\n", {0: "a", 1: "b b", 2: "c"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_tools_are_read(tmp_path, name):
    text, names = TABLES[name]
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / name).write_text(text)
    found = find_class_names(tmp_path)
    assert found.names == names
    assert found.table.name == name


def test_other_files_are_no_tables(tmp_path):
    (tmp_path / "labelmap.txt").write_text("nothing of the kind")
    assert find_class_names(tmp_path) is None
