import io

import numpy as np
import pytest
import yaml
from PIL import Image

from data.config import DataConfig
from data.rasters.mask_advice import advice_on_values, mask_values_line
from data.rasters.masks import ValuesWithoutClass, load_mask


def config(classes, **changes):
    source = {"kind": "folder", "path": "x"}
    return DataConfig.model_validate({"source": source, "classes": classes} | changes)


def painted(values):
    """Makes a PNG with one pixel of each value, which is a number or a colour."""
    if isinstance(values[0], str):
        pixels = np.array([[tuple(bytes.fromhex(value[1:])) for value in values]], np.uint8)
    else:
        pixels = np.array([values], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


AB, ABC, ABCD = (list(names) for names in ("ab", "abc", "abcd"))
BLACK, RED, WHITE = "#000000", "#ff0000", "#ffffff"
MENDED = {
    "0/255": (AB, {}, [0, 255], {"mask_values": {0: "a", 255: "b"}}),
    "only 255": (AB, {"ignore_value": None}, [255], {"mask_values": {0: "a", 255: "b"}}),
    "ids from 1": (AB, {}, [1, 2], {"mask_values": {1: "a", 2: "b"}}),
    "ids from 1, and 255": (AB, {}, [1, 2, 255], {"mask_values": {1: "a", 2: "b"}}),
    "gaps": (ABC, {}, [0, 2, 5], {"mask_values": {0: "a", 2: "b", 5: "c"}}),
    "three shades": (ABC, {}, [0, 127, 255], {"mask_values": {0: "a", 127: "b", 255: "c"}}),
    "two shades and 255": (AB, {}, [0, 128, 255], {"mask_values": {0: "a", 128: "b"}}),
    "ids and 255": (ABC, {"ignore_value": None}, [0, 1, 2, 255], {"ignore_value": 255}),
    "some ids and 255": (ABCD, {"ignore_value": None}, [0, 1, 2, 255], {"ignore_value": 255}),
    "ids of objects": (AB, {}, [0, 1, 2, 3, 4, 6], {"mask_values": {0: "a", "other": "b"}}),
    "ids of many objects": (AB, {}, [*range(200)], {"mask_values": {0: "a", "other": "b"}}),
    "ids of objects beside three classes": (
        ABC,
        {},
        [*range(40)],
        {"mask_values": {0: "a", "other": "b"}},
    ),
    "0 is unlabelled": (
        ABC,
        {},
        [0, 1, 2, 3],
        {"mask_values": {1: "a", 2: "b", 3: "c"}, "ignore_value": 0},
    ),
    "one value beyond the ids": (
        AB,
        {},
        [0, 1, 7],
        {"mask_values": {0: "a", 1: "b"}, "ignore_value": 7},
    ),
    "the last is unlabelled": (
        ABC,
        {"ignore_value": None},
        [10, 20, 30, 255],
        {"mask_values": {10: "a", 20: "b", 30: "c"}, "ignore_value": 255},
    ),
    "one value beside mask_values": (
        AB,
        {"mask_values": {0: "a", 255: "b"}},
        [0, 128, 255],
        {"ignore_value": 128},
    ),
    "colours": (AB, {}, [BLACK, RED], {"mask_values": {BLACK: "a", RED: "b"}}),
    "colours, and grey masks": (ABC, {}, [0, RED, 255], None),
    "one colour beside the table": (
        AB,
        {"mask_values": {BLACK: "a", RED: "b"}},
        [BLACK, RED, WHITE],
        {"ignore_value": WHITE},
    ),
    "names that YAML takes for something else": (
        ["no", "1"],
        {},
        [0, 255],
        {"mask_values": {0: "no", 255: "1"}},
    ),
}


@pytest.mark.parametrize(("classes", "changes", "values", "lines"), MENDED.values(), ids=MENDED)
def test_the_suggested_lines_correct_the_config(classes, changes, values, lines):
    broken = config(classes, **changes)
    sentence = advice_on_values(values, broken)
    suggested = yaml.safe_load(sentence.split("under data: ")[1].replace(" and: ", "\n"))
    if lines is None:  # a grey mask of the same data set is read as colours
        lines = {"mask_values": {BLACK: "a", RED: "b", WHITE: "c"}}
        values = [BLACK, RED, WHITE]
    assert suggested == lines
    if (values, broken.ignore_value) != (
        [0, 255],
        255,
    ):  # otherwise it would be loaded with wrong labels
        with pytest.raises(ValuesWithoutClass) as caught:
            load_mask(painted(values), "x", broken)
        assert caught.value.reason.endswith(advice_on_values(values, broken))
    corrected = config(classes, **changes | suggested)
    assert load_mask(painted(values), "x", corrected).values == tuple(values)


@pytest.mark.parametrize(
    ("classes", "changes", "values"),
    [
        (AB, {}, range(256)),
        (AB, {}, [0, 64, 128, 255]),
        (AB, {"mask_values": {0: "a", 255: "b"}}, [0, 64, 191, 255]),
        (ABC, {}, range(0, 130, 10)),
        (AB, {}, [f"#{level:02x}0000" for level in range(0, 256, 16)]),
        (
            AB,
            {"mask_values": {BLACK: "a", RED: "b"}},
            [f"#{level:02x}0000" for level in range(256)],
        ),
    ],
    ids=[
        "all",
        "between 0 and 255",
        "with mask_values",
        "many",
        "colours",
        "beside a colour table",
    ],
)
def test_smoothed_masks_are_to_be_exported_again(classes, changes, values):
    sentence = advice_on_values(values, config(classes, **changes))
    assert sentence.startswith("Far more values than classes.")
    assert "export them again with nearest neighbour and without anti-aliasing" in sentence
    assert "under data" not in sentence


@pytest.mark.parametrize(
    ("classes", "changes", "values", "words"),
    [
        (ABC, {}, [0, 7], "Expected 0 to 2, the ids of a, b, c; map other values in"),
        (AB, {}, [0, 1, 7, 255], "Expected 0 to 1, the ids of a, b; map other values in"),
        (AB, {"mask_values": {0: "a", 255: "b"}}, [1, 2], "Give each a class in data.mask_values"),
        (
            AB,
            {"mask_values": {0: "a", 9: "b"}, "ignore_value": 3},
            [0, 5],
            "Give each a class in data.mask_values, or make it data.ignore_value.",
        ),
        (
            AB,
            {},
            [BLACK, RED, WHITE],
            "Colours, not class ids: #000000, #ff0000, #ffffff. Give each colour a class",
        ),
    ],
    ids=[
        "ids",
        "ids and 255",
        "with mask_values",
        "with an ignore value",
        "more colours than classes",
    ],
)
def test_the_advice_where_no_line_can_be_derived(classes, changes, values, words):
    assert words in advice_on_values(values, config(classes, **changes))


def test_many_values_may_also_be_classes():
    sentence = advice_on_values(range(150), config(AB))
    assert sentence.startswith("If the values 0 to 149 are classes, list all 150 in data.classes.")
    names = [f"class {number}" for number in range(150)]
    assert load_mask(painted([*range(150)]), "x", config(names)).values == (*range(150),)


def test_some_values_beyond_many_classes_are_no_objects():
    sentence = advice_on_values(range(34), config([f"class {number}" for number in range(19)]))
    assert sentence.startswith("Expected 0 to 18, the ids of class 0, class 1,")


def test_mask_values_line_names_the_first_two_classes():
    assert mask_values_line(["a", "b", "c"]) == "mask_values: {0: a, 255: b}"
