import pytest

from data.config.class_tables import VOC
from pipeline.planning.class_names import find_class_names

TABLES = {
    "labelmap.txt": (
        "sky:1,2,3::\nred tree:255,0,16::\n",
        {"#010203": "sky", "#ff0010": "red tree"},
    ),
    "_classes.csv": ("Pixel Value, Class\n0, background\n2, car\n", {0: "background", 2: "car"}),
    "obj.names": ("a b\na_b\nmean\n+++\n", {0: "class_0", 1: "a_b", 2: "class_2", 3: "class_3"}),
    "classes.txt": ("a\nb b\n\nc\n", {0: "a", 1: "b b", 2: "c"}),
    "obj_class_to_machine_color.json": ('{"a": [1, 1, 1]}', {0: "background", 1: "a"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_tools_are_found(tmp_path, name):
    text, names = TABLES[name]
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / name).write_text(text)
    found = find_class_names(tmp_path)
    assert found.names == names
    assert found.table == f"train/{name}"


@pytest.mark.parametrize("text", ["nothing of the kind", "a:b:c", ""])
def test_other_files_are_no_tables(tmp_path, text):
    (tmp_path / "labelmap.txt").write_text(text)
    assert find_class_names(tmp_path) is None


def test_the_folders_of_voc_mean_its_classes(tmp_path):
    (tmp_path / "SegmentationClass").mkdir()
    found = find_class_names(tmp_path)
    assert (found.table, found.names[8], found.names["#400000"]) == ("voc", "cat", "cat")
    assert len(found.names) == 2 * len(VOC)
