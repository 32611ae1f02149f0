import pytest

from data.config.class_tables import VOC, read_class_table, voc_values
from data.errors import InputError

TABLES = {
    "CVAT": (
        "labelmap.txt",
        "# label:color_rgb:parts\nbackground:0,0,0::\nred car: 250, 50,83:body:\na:b:1,2,3\n",
        {"#000000": "background", "#fa3253": "red car", "#010203": "a:b"},
    ),
    "Roboflow": (
        "_classes.csv",
        'Pixel Value, Class\n0, background\n\n2, "car, red"\n',
        {0: "background", 2: "car, red"},
    ),
    "Supervisely": (
        "obj_class_to_machine_color.json",
        '{"kiwi": [1, 1, 1], "lemon": [2, 2, 2]}',
        {0: "background", 1: "kiwi", 2: "lemon"},
    ),
    "Supervisely, colours": (
        "obj_class_to_machine_color.json",
        '{"kiwi": [1, 0, 1], "none": [0, 0, 0]}',
        {"#010001": "kiwi", "#000000": "none"},
    ),
    "names": ("classes.txt", "sky\n\ntall tree\n", {0: "sky", 1: "tall tree"}),
    "a byte order mark": ("labelmap.txt", "\ufeffsky:1,2,3::\r\n", {"#010203": "sky"}),
}


@pytest.mark.parametrize(("name", "text", "expected"), TABLES.values(), ids=TABLES)
def test_tables_of_tools_are_read(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert read_class_table(f"{tmp_path}/{name}") == expected


FAULTS = {
    "no colour": ("labelmap.txt", "sky:1,2,3::\ntree::\n", ":2: expected name:red,green,blue:"),
    "a great colour": ("labelmap.txt", "sky:1,2,256::\n", ":1: expected name:red,green,blue:"),
    "a colour twice": (
        "labelmap.txt",
        "sky:1,2,3::\ntree:1,2,3::\n",
        ":2: the value #010203 of 'sky' is given to 'tree', too",
    ),
    "no class": ("labelmap.txt", "# nothing\n", ": names no class"),
    "no value": ("_classes.csv", "Value,Class\nx,sky\n", ":2: expected a pixel value and a class"),
    "three cells": ("_classes.csv", "0,sky,blue\n", ":1: expected a pixel value and a class"),
    "no name": ("_classes.csv", "0,\n", ":1: expected a pixel value and a class"),
    "a huge value": ("_classes.csv", f"{10**30},sky\n", ":1: expected a pixel value and a class"),
    "a value twice": ("_classes.csv", "1,a\n1,b\n", ":2: the value 1 of 'a' is given to 'b', too"),
    "quotes": ("_classes.csv", '0,"sky\n', ": not CSV ("),
    "no JSON": ("colours.json", "{", ": not JSON ("),
    "other JSON": ("colours.json", '{"a": 3}', ": expected a colour [red, green, blue]"),
    "a list": ("colours.json", "[]", ": expected a colour [red, green, blue]"),
}


@pytest.mark.parametrize(("name", "text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_table_is_refused_with_its_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_class_table(f"{tmp_path}/{name}")
    assert f"{name}{message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_colours_of_voc():
    colours = {name: colour for colour, name in voc_values().items()}
    assert len(colours) == len(VOC) == 21
    # As listed in the documentation of the VOC2012 development kit
    known = {"background": "#000000", "aeroplane": "#800000", "cat": "#400000", "sofa": "#00c000"}
    assert {name: colours[name] for name in known} == known
    assert colours["tvmonitor"] == "#004080"
