import pytest
from pydantic import ValidationError

from data.config import DataConfig, Splits


def config(**changes):
    source = {"kind": "folder", "path": "x"}
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"]} | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {0: 0, 1: 1, 255: 255}),
        ({"ignore_value": None}, {0: 0, 1: 1}),
        ({"ignore_value": 9}, {0: 0, 1: 1, 9: 255}),
        ({"mask_values": {0: "b", 255: "a"}}, {0: 1, 255: 0}),
        ({"mask_values": {7: "b", 9: "b"}, "ignore_value": 0}, {0: 255, 7: 1, 9: 1}),
        ({"mask_values": {"#0000ff": "b", "#010000": "a"}}, {255: 1, 65536: 0}),
        (
            {"mask_values": {"#0000ff": "b"}, "ignore_value": "#000001"},
            {255: 1, 1: 255},
        ),
    ],
    ids=[
        "ids",
        "no ignore value",
        "other ignore value",
        "255 has a class",
        "two values, one class",
        "colours, of which no number is ignored",
        "an ignored colour",
    ],
)
def test_class_of_value(changes, expected):
    assert config(**changes).class_of_value == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a", "a"]}, "classes: a name occurs twice"),
        ({"classes": ["a"]}, "at least two"),
        ({"classes": ["a", " b c"]}, "Write 'b c'"),
        ({"mask_values": {0: "z"}}, "mask_values: z is not among the classes"),
        ({"mask_values": {65536: "a"}}, "a number from 0 to 65535 or a colour"),
        ({"mask_values": {"#ff00": "a"}}, "a number from 0 to 65535 or a colour"),
        ({"mask_values": {True: "a"}}, "a number from 0 to 65535 or a colour"),
        ({"mask_values": {0: "a", "#ffffff": "b"}}, "all values as numbers, or all as colours"),
        ({"mask_values": {0: "a", "0": "b"}}, "the value 0 is given 2 times"),
        ({"mask_values": {"#FF8000": "a", "#ff8000": "b"}}, "the value #ff8000 is given 2 times"),
        ({"ignore_value": "#000000"}, "mask_values needs colours"),
        ({"intensity_range": [4095, 0]}, "lowest, highest"),
        ({"intensity_range": [0, 65536]}, "lowest, highest"),
        ({"max_bad_fraction": 1.5}, "less than or equal to 1"),
        (
            {"source": {"kind": "folder", "path": "x", "newest_spans": 2}},
            "path should contain {SPAN}",
        ),
        ({"source": {"kind": "folder", "path": "x", "masks": "images"}}, "tell them apart"),
        ({"source": {"kind": "folder", "path": "x", "mask_pattern": "a"}}, "match pattern"),
        ({"source": {"kind": "manifest", "path": "pairs.xlsx"}}, "Save the table as CSV"),
        ({"take_val_from_train": 0.1}, "no ready-made splits, so a hash of the group assigns"),
        ({"take_test_from_train": 0.1}, "take_test_from_train: this source has no ready-made"),
        ({"ignore_value": 1}, "ignore_value: 1 is the id of"),
        ({"group": "("}, "not a regular expression"),
        ({"splits": {"train": 1, "val": 0, "test": 1}}, "greater than or equal to 1"),
        ({"on_bad_pair": "guess"}, "fail"),
        ({"view": {"kind": "resize", "height": 1}}, "greater than or equal to 16"),
        ({"splitz": {}}, "Extra inputs"),
    ],
)
def test_impossible_values_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        config(**changes)


def test_json_keeps_mask_values():
    for values in ({0: "a", 255: "b"}, {"#0000ff": "a"}):
        one = config(mask_values=values)
        assert DataConfig.model_validate_json(one.model_dump_json()) == one


def test_254_is_the_greatest_class_id():
    names = [f"c{i}" for i in range(256)]
    assert config(classes=names[:255]).class_of_value[254] == 254
    with pytest.raises(ValidationError, match="at most 255"):
        config(classes=names)


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        config().classes = ["c", "d"]
    assert config().splits == Splits(train=7, val=1, test=2)


def test_names_of_classes_may_have_spaces_and_any_letters():
    assert config(classes=["traffic light", "道路"]).classes == ["traffic light", "道路"]
    with pytest.raises(ValidationError, match="'a b' and 'a_b' are both a_b in the names of feat"):
        config(classes=["a b", "a_b"])
