import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from data.config.sources import LabelmeSource
from data.errors import InputError
from tests.data.finding import find_raw

CLASSES = ["background", "cat", "red_dog"]


def write_labelme(path, *shapes, size=(9, 7), **changes):
    """Writes a JSON file as labelme does, and the image that it names."""
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {"group_id": None, "description": "", "flags": {}, "mask": None, **each}
            for each in shapes
        ],
        "imagePath": f"{path.stem}.png",
        "imageData": "not read",
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes))
    Image.new("RGB", size).save(path.with_suffix(".png"))


def shape(points, kind="polygon", label="cat", **changes):
    return {"label": label, "points": points, "shape_type": kind, **changes}


SQUARE = [[1, 1], [5, 1], [5, 4], [1, 4]]


def find(root, **options):
    source = LabelmeSource.model_validate({"kind": "labelme", "path": str(root), **options})
    return find_raw(source, own_folder=f"{root}/runs/name/own", classes=CLASSES)


def mask(root, **options):
    found = find(root, **options)
    assert found.problems == []
    (pair,) = found.pairs
    return np.asarray(Image.open(pair.mask))


def rows(mask):
    return ["".join(".12"[value] for value in row) for row in mask]


# The pictures are those that shape_to_mask of labelme 6.3.1 draws.
SHAPES = {
    "polygon": (
        shape([[1.2, 0.5], [7.5, 2.5], [3.5, 6.4]]),
        [".1.......", ".1111....", "..111111.", "..11111..", "..1111...", "...11....", "...1....."],
    ),
    "rectangle": (
        shape([[5.6, 4.2], [1.5, 1.5]], "rectangle"),
        [".........", ".11111...", ".11111...", ".11111...", ".11111...", ".........", "........."],
    ),
    "circle": (
        shape([[4, 3], [4, 5]], "circle"),
        [".........", "...111...", "..11111..", "..11111..", "..11111..", "...111...", "........."],
    ),
    "oriented rectangle": (
        shape([[1, 1], [5, 1], [5, 4], [1, 4]], "oriented_rectangle"),
        [".........", ".11111...", ".11111...", ".11111...", ".11111...", ".........", "........."],
    ),
}


@pytest.mark.parametrize(("drawn", "picture"), SHAPES.values(), ids=SHAPES)
def test_shapes_are_drawn_as_by_labelme(tmp_path, drawn, picture):
    write_labelme(tmp_path / "1.json", drawn)
    assert rows(mask(tmp_path)) == picture


def test_masks_are_pasted_at_their_box(tmp_path):
    region = np.array([[1, 0, 1], [1, 1, 1]], bool)
    file = io.BytesIO()
    Image.fromarray(region.astype(np.uint8) * 255).convert("1").save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    write_labelme(tmp_path / "1.json", shape([[2, 3], [4, 4]], "mask", mask=text))
    expected = np.zeros((7, 9))
    expected[3:5, 2:5] = region
    np.testing.assert_array_equal(mask(tmp_path), expected)


def test_the_later_shape_is_on_top(tmp_path):
    shapes = [shape(SQUARE), shape([[2, 2], [3, 3]], "rectangle", "red dog", group_id=1)]
    write_labelme(tmp_path / "1.json", *shapes)
    assert np.bincount(mask(tmp_path).ravel()).tolist() == [63 - 20, 16, 4]
    write_labelme(tmp_path / "1.json", *shapes[::-1])
    assert np.bincount(mask(tmp_path).ravel()).tolist() == [63 - 20, 20]


def test_labels_of_labelme_mean_background_and_ignored(tmp_path):
    cut = shape([[2, 2], [3, 3]], "rectangle", "_background_")
    ignored = shape([[7, 0], [8, 6]], "rectangle", "__ignore__")
    write_labelme(tmp_path / "1.json", shape(SQUARE), cut, ignored)
    counts = np.bincount(mask(tmp_path).ravel())
    assert counts[[0, 1, 255]].tolist() == [63 - 16 - 14, 16, 14]


def test_a_shape_without_a_type_is_a_polygon(tmp_path):
    old = {"label": "cat", "points": SQUARE}
    write_labelme(tmp_path / "1.json", old)
    assert (mask(tmp_path) == 1).sum() == 20


def test_nested_folders_and_other_places_of_images(tmp_path):
    write_labelme(tmp_path / "a/1.json", shape(SQUARE))
    write_labelme(tmp_path / "ann/2.json", shape(SQUARE), imagePath="..\\img\\2.png")
    (tmp_path / "img").mkdir()
    (tmp_path / "ann/2.png").rename(tmp_path / "img/2.png")
    assert sorted(pair.key for pair in find(tmp_path).pairs) == ["a/1", "img/2"]


def test_images_that_no_file_names_are_left_out(tmp_path):
    write_labelme(tmp_path / "1.json", shape(SQUARE))
    write_labelme(tmp_path / "2.json")
    Image.new("RGB", (9, 7)).save(tmp_path / "3.png")
    keys = [
        sorted(pair.key for pair in find(tmp_path, **options).pairs)
        for options in ({}, {"unannotated": "leave_out"})
    ]
    assert keys == [["1", "2"], ["1"]]


def test_the_folder_of_the_pipeline_is_not_searched(tmp_path):
    write_labelme(tmp_path / "1.json", shape(SQUARE))
    (tmp_path / "runs/name/check").mkdir(parents=True)
    (tmp_path / "runs/name/check/check.json").write_text("{}")
    assert not find(tmp_path).problems


BAD = {
    "a line": ({"shapes": [shape(SQUARE[:2], "line")]}, "a line has no area. Draw a polygon"),
    "a point": ({"shapes": [shape(SQUARE[:1], "point")]}, "a point has no area"),
    "another type": ({"shapes": [shape(SQUARE, "spline")]}, "the shape_type 'spline' is not known"),
    "two points": ({"shapes": [shape(SQUARE[:2])]}, "a polygon needs at least 3 points of two"),
    "a corner": ({"shapes": [shape(SQUARE[:1], "rectangle")]}, "a rectangle needs 2 points of two"),
    "text": ({"shapes": [shape([["a", "b"]] * 3)]}, "a polygon needs at least 3 points of two"),
    "no points": ({"shapes": [{"label": "cat"}]}, "a polygon needs at least 3 points of two"),
    "no label": ({"shapes": [shape(SQUARE, label=None)]}, "it has no label"),
    "no number": ({"shapes": [shape([[1, float("nan")]] * 3)]}, "not a finite number"),
    "outside": ({"shapes": [shape([[20, 1], [25, 1], [20, 4]])]}, "the object lies outside"),
    "far away": ({"shapes": [shape([[1, 1], [1e9, 1]], "circle")]}, "extends far beyond the image"),
    "a damaged mask": ({"shapes": [shape(SQUARE[::2], "mask", mask="AA==")]}, "mask is damaged"),
    "no mask": ({"shapes": [shape(SQUARE[::2], "mask")]}, "its mask is damaged, or does not have"),
    "no size": ({"imageHeight": None}, "does not give the image's height and width"),
    "a huge size": ({"imageWidth": 10**9}, "more than data.max_pixels"),
    "no shapes": ({"shapes": None}, "not a file of labelme: 'shapes' should be a list"),
    "an image elsewhere": ({"imagePath": "/elsewhere/2.png"}, "the path leads out of"),
    "no image": ({"imagePath": None}, "the name of the image is not text"),
    "a missing image": ({"imagePath": "4.png"}, "no such image below data.source.path"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_bad_pair(tmp_path, changes, reason):
    write_labelme(tmp_path / "1.json", shape(SQUARE))
    write_labelme(tmp_path / "2.json", shape(SQUARE), **changes)
    found = find(tmp_path)
    assert [pair.key for pair in found.pairs] == ["1"]
    (problem,) = found.problems
    assert str(problem).startswith(f"{tmp_path}/2.json")
    assert reason in str(problem)
    assert "\n" not in str(problem)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "\udcff"])
def test_a_file_that_is_not_json_of_an_object_is_one_bad_pair(tmp_path, text):
    write_labelme(tmp_path / "1.json", shape(SQUARE))
    (tmp_path / "2.json").write_text(text, errors="surrogateescape")
    (problem,) = find(tmp_path).problems
    assert str(problem).startswith(f"{tmp_path}/2.json: ")


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(InputError, match="no JSON files of labelme"):
        find(tmp_path)


def test_a_label_without_a_class_is_named(tmp_path):
    write_labelme(tmp_path / "1.json", shape(SQUARE, label="cats"))
    with pytest.raises(InputError, match=r"no class for the category 'cats' \(did you mean 'cat'"):
        find(tmp_path)
