import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from data.config import DataConfig
from data.config.sources import CocoSource
from data.errors import InputError
from data.sources.annotations import json_files
from tests.data.finding import find_raw
from tests.data.sources.annotations.coco_files import (
    CATEGORIES,
    annotation,
    image,
    square,
    write_coco,
)

CLASSES = ["background", "cat", "red_dog"]
HEIGHT, WIDTH = 8, 12


def find(root, classes=CLASSES, **options):
    source = CocoSource.model_validate({"kind": "coco", "path": str(root), **options})
    return find_raw(source, own_folder=f"{root}/.own", classes=classes)


def masks(root, **options):
    found = find(root, **options)
    assert found.problems == []
    return {pair.key: np.asarray(Image.open(pair.mask)) for pair in found.pairs}


def problems(root, **options):
    return [str(each).removeprefix(f"{root}/") for each in find(root, **options).problems]


def rle(mask):
    """Encodes a mask as uncompressed RLE, by hand."""
    flat = np.asarray(mask, np.uint8).ravel(order="F")
    starts = np.flatnonzero(np.diff(flat, prepend=0, append=2))
    counts = np.diff(starts, prepend=0).tolist()
    return {"size": [*mask.shape], "counts": counts}


def compressed(mask):
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return encoded | {"counts": encoded["counts"].decode()}


RING = np.zeros((HEIGHT, WIDTH), bool)
RING[1:7, 1:7], RING[3:5, 3:5] = True, False


# -- pixels


def test_a_square_has_the_pixels_that_lie_in_it(tmp_path):
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation()])
    expected = np.zeros((HEIGHT, WIDTH))
    expected[1:5, 1:5] = 1
    np.testing.assert_array_equal(masks(tmp_path)["1"], expected)


@pytest.mark.parametrize("encode", [rle, compressed])
def test_holes_are_background(tmp_path, encode):
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation(segmentation=encode(RING))])
    np.testing.assert_array_equal(masks(tmp_path)["1"], RING)


def test_crowds_are_ignored_below_objects(tmp_path):
    everywhere = rle(np.ones((HEIGHT, WIDTH)))
    crowd = annotation(segmentation=everywhere, iscrowd=1)
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation(), crowd])
    mask = masks(tmp_path)["1"]
    assert (mask[1:5, 1:5] == 1).all()
    assert (mask == 255).sum() == HEIGHT * WIDTH - 16
    drawn_mask = masks(tmp_path, crowd="draw")["1"]
    assert (drawn_mask == 1).all()


def test_a_file_of_crowds_alone_is_refused(tmp_path):
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation(iscrowd=1)])
    with pytest.raises(InputError, match=r"all objects are crowds .* write, .* crowd: draw"):
        find(tmp_path)
    assert masks(tmp_path, crowd="draw")["1"].any()


@pytest.mark.parametrize("order", [1, -1])
def test_the_smaller_object_is_on_top(tmp_path, order):
    large = annotation(segmentation=[square(0, 0, 8)])
    small = annotation(segmentation=[square(2, 2, 2)], category_id=7)
    write_coco(tmp_path / "annotations.json", [image(1)], [large, small][::order])
    assert np.bincount(masks(tmp_path)["1"].ravel()).tolist() == [32, 60, 4]


@st.composite
def _outlines(draw):
    kind = draw(st.sampled_from(["polygons", "rle", "compressed"]))
    if kind != "polygons":
        mask = draw(st.lists(st.booleans(), min_size=96, max_size=96))
        encode = rle if kind == "rle" else compressed
        return encode(np.reshape(mask, (HEIGHT, WIDTH)))
    x, y = (st.floats(-3, size + 3, width=16) for size in (WIDTH, HEIGHT))
    corner = st.tuples(st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1))
    polygon = st.tuples(corner, st.lists(st.tuples(x, y), min_size=2, max_size=6))
    polygons = draw(st.lists(polygon, min_size=1, max_size=3))
    # A corner in the image keeps a polygon from lying outside.
    inside = [1.5, 1.5]
    return [[*inside, *first, *(n for point in rest for n in point)] for first, rest in polygons]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(_outlines(), st.sampled_from([3, 7]), st.sampled_from([0, 0, 0, 1])),
        min_size=1,
        max_size=4,
    )
)
def test_masks_have_the_pixels_of_pycocotools(objects):
    annotations = [
        annotation(segmentation=outline, category_id=category, iscrowd=crowd)
        for outline, category, crowd in objects
    ] + [annotation()]  # a file of crowds alone is refused
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.json"
        write_coco(path, [image(1)], annotations)
        mask = masks(folder)["1"]
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(path)
    expected = np.zeros((HEIGHT, WIDTH), int)
    smallest = np.full((HEIGHT, WIDTH), np.inf)
    regions = [(truth.annToMask(each).astype(bool), each) for each in truth.anns.values()]
    for region, each in regions:
        if each["iscrowd"]:
            expected[region] = 255
    for region, each in regions:
        if not each["iscrowd"]:
            on_top = region & (region.sum() <= smallest)
            expected[on_top] = {3: 1, 7: 2}[each["category_id"]]
            smallest[on_top] = region.sum()
    np.testing.assert_array_equal(mask, expected)


# -- images and categories


def test_sizes_may_be_written_as_floats(tmp_path):
    path = tmp_path / "annotations.json"
    write_coco(path, [image(1)], [annotation()])
    path.write_text(path.read_text().replace('"width": 12', '"width": 12.0'))
    assert masks(tmp_path)["1"].shape == (HEIGHT, WIDTH)


def test_splits_have_files_of_their_own(tmp_path):
    for split in ("train", "valid"):
        write_coco(tmp_path / split / "_annotations.coco.json", [image(1)], [annotation()])
    files = {"train": "train/_annotations.coco.json", "val": "valid/_annotations.coco.json"}
    pairs = find(tmp_path, annotations=files).pairs
    assert {(pair.key, pair.split) for pair in pairs} == {("train/1", "train"), ("valid/1", "val")}


def test_images_may_be_in_another_folder(tmp_path):
    (tmp_path / "photos/a").mkdir(parents=True)
    Image.new("RGB", (12, 8)).save(tmp_path / "photos/a/1.jpg")
    images = [image(1, "a\\1.jpg")]
    write_coco(tmp_path / "labels/all.json", images, [annotation()], pictures=False)
    found = find(tmp_path, annotations="labels/all.json", images="photos")
    assert [(pair.key, pair.image) for pair in found.pairs] == [
        ("photos/a/1", f"{tmp_path}/photos/a/1.jpg")
    ]


def test_images_without_annotations_are_background_or_left_out(tmp_path):
    write_coco(tmp_path / "annotations.json", [image(1), image(2)], [annotation(image_id=1)])
    assert not masks(tmp_path)["2"].any()
    assert [*masks(tmp_path, unannotated="leave_out")] == ["1"]


def test_categories_become_classes_by_name(tmp_path):
    objects = [annotation(), annotation(category_id=7, segmentation=[square(6, 1, 4)])]
    write_coco(tmp_path / "annotations.json", [image(1)], objects)
    options = {"classes": ["pet", "rest"], "background": None}
    mask = masks(tmp_path, categories={"cat": "pet", "red dog": None}, **options)["1"]
    assert np.bincount(mask.ravel())[[0, 255]].tolist() == [16, 80]
    with pytest.raises(InputError, match=r"data.classes: no class for the category 'red dog'"):
        find(tmp_path, categories={"cat": "pet"}, **options)


def test_categories_without_objects_need_no_class(tmp_path):
    categories = [*CATEGORIES, {"id": 0, "name": "unused"}]
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation()], categories)
    assert find(tmp_path, classes=["background", "cat"]).pairs


@pytest.mark.parametrize(
    ("source", "classes", "message"),
    [
        ({}, ["cat", "dog"], "source.background: background is not among the classes"),
        ({"categories": {"a": "hat"}}, ["background", "cat"], "the class hat of a is not among"),
        ({"images": {"train": "a"}}, CLASSES, "images: give a folder for each split"),
    ],
)
def test_options_that_do_not_agree_are_refused(source, classes, message):
    content = {"source": {"kind": "coco", "path": "x"} | source, "classes": classes}
    with pytest.raises(ValueError, match=message):
        DataConfig.model_validate(content)


def test_mask_values_are_refused():
    content = {"source": {"kind": "coco", "path": "x"}, "classes": CLASSES}
    with pytest.raises(ValueError, match="this source makes the masks"):
        DataConfig.model_validate(content | {"mask_values": {0: "cat"}})


# -- what cannot be read


def bad_rle(**changes):
    return annotation(segmentation=rle(RING) | changes)


OBJECTS = {
    "another size": (bad_rle(size=[12, 8]), "the RLE has the size [12, 8] (height, width), but"),
    "too many pixels": (bad_rle(counts=[90, 10]), "runs of the RLE do not add up to the 96 pixels"),
    "negative runs": (bad_rle(counts=[100, -4]), "the counts of the RLE are damaged"),
    "huge runs": (bad_rle(counts=[10**30]), "runs of the RLE do not add up"),
    "too short a text": (bad_rle(counts="01"), "runs of the RLE do not add up to the 96 pixels"),
    "a damaged text": (bad_rle(counts="o" * 50), "the counts of the RLE are damaged"),
    "another text": (bad_rle(counts="ü\x00"), "the counts of the RLE are damaged"),
    "no counts": (annotation(segmentation={"size": [8, 12]}), "counts of the RLE are damaged"),
    "two points": (annotation(segmentation=[[1, 1, 5, 5]]), "at least three points"),
    "an odd number": (annotation(segmentation=[[1, 1, 5, 5, 1, 5, 2]]), "at least three points"),
    "text": (annotation(segmentation=[["a"] * 6]), "at least three points"),
    "a flat list": (annotation(segmentation=square(1, 1, 4)), "at least three points"),
    "no outline": (annotation() | {"segmentation": []}, "it has no outline, at most a box"),
    "outside": (annotation(segmentation=[square(20, 1, 4)]), "the object lies outside the image"),
    "far away": (
        annotation(segmentation=[[1, 1, 1e300, 1, 1, 5]]),
        "the object extends far beyond the image, which has 12×8 pixels by the file",
    ),
    "no number": (annotation(segmentation=[[1, 1, float("nan"), 1, 1, 5]]), "not a finite number"),
    "no category": (annotation(category_id=99), "its category_id is not among the categories"),
    "no category id": (annotation(category_id=[3]), "its category_id is not among the categories"),
}


@pytest.mark.parametrize(("bad", "reason"), OBJECTS.values(), ids=OBJECTS)
def test_a_bad_object_is_one_bad_pair(tmp_path, bad, reason):
    objects = [annotation(), bad | {"image_id": 2}]
    write_coco(tmp_path / "annotations.json", [image(1), image(2)], objects)
    (problem,) = problems(tmp_path)
    assert problem.startswith("annotations.json (2.png, annotation 2): ")
    assert reason in problem
    assert "\n" not in problem
    assert [pair.key for pair in find(tmp_path).pairs] == ["1"]


IMAGES = {
    "no size": ([image(2, height=None)], "(2.png): the file does not give the image's height"),
    "no whole number": ([image(2, width=12.5)], "(2.png): the file does not give the image's"),
    "huge": ([image(2, width=10**12)], "(2.png): the file says that the image has 10000000000"),
    "outside": ([image(2, "../2.png")], "(../2.png): the path leads out of"),
    "a URL": ([image(2, "http://a.b/2.png")], "(http://a.b/2.png): the path leads out of"),
    "no name": ([image(2) | {"file_name": None}], ": the name of the image is not text"),
    "half a character": ([image(2, "\ud800.png")], ": the name of the image is not text"),
    "no image suffix": ([image(2, "2.txt")], "(2.txt): not an image suffix"),
    "a long name": ([image(2, "a" * 300 + ".png")], "a name of more than 250 bytes"),
    "missing": ([image(2)], "(2.png): no such image below data.source.path"),
    "no id": ([image(2) | {"id": None}], "(2.png): its id is missing, or another image has it"),
    "the same name": ([image(2), image(3, "2.png")], "another image has the same name"),
    "the same id": ([image(2), image(2, "3.png")], "its id is missing, or another image has it"),
}


@pytest.mark.parametrize(("bad", "reason"), IMAGES.values(), ids=IMAGES)
def test_a_bad_image_is_one_bad_pair(tmp_path, bad, reason):
    Image.new("RGB", (12, 8)).save(tmp_path / "1.png")
    path = tmp_path / "annotations.json"
    write_coco(path, [image(1), *bad], [annotation()], pictures=False)
    found = problems(tmp_path)
    assert len(found) == len(bad)
    assert all(each.startswith("annotations.json") and reason in each for each in found)
    assert [pair.key for pair in find(tmp_path).pairs] == ["1"]


def test_an_object_of_no_image_is_reported(tmp_path):
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation(), annotation(image_id=9)])
    assert problems(tmp_path) == [
        "annotations.json (annotation 2): its image_id is not among the images. Remove it, or add "
        "the image."
    ]


CONTENTS = {
    "broken": ('{"images": [', "not JSON (Expecting value"),
    "deep": ("[" * 100_000, "not JSON ("),
    "a list": ("[]", "expected a JSON object, found list"),
    "no images": ('{"annotations": [], "categories": []}', "'images' should be a list of objects"),
    "numbers": (
        '{"images": [1], "annotations": [], "categories": []}',
        "'images' should be a list of objects",
    ),
    "no image": ('{"images": [], "annotations": [], "categories": []}', "name no images"),
    "a name twice": (
        json.dumps(
            {
                "images": [image(1)],
                "annotations": [],
                "categories": [*CATEGORIES, {"id": 9, "name": "cat"}],
            }
        ),
        "two categories are named 'cat'",
    ),
    "an id twice": (
        json.dumps(
            {
                "images": [],
                "annotations": [],
                "categories": [*CATEGORIES, {"id": 3, "name": "hat"}],
            }
        ),
        "two categories have the id 3",
    ),
    "no name": (
        '{"images": [], "annotations": [], "categories": [{"id": 1}]}',
        "a category lacks its id or its name",
    ),
}


@pytest.mark.parametrize(("content", "message"), CONTENTS.values(), ids=CONTENTS)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, content, message):
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(InputError) as caught:
        find(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.rglob("*.png")) == []


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"annotations.json: no such file"):
        find(tmp_path)


def test_a_file_that_takes_too_much_memory_is_refused(tmp_path, monkeypatch):
    write_coco(tmp_path / "annotations.json", [image(1)], [annotation()])
    monkeypatch.setattr(json_files, "MOST_BYTES", 100)
    with pytest.raises(InputError, match=r"0 MiB, more than the limit of 0 MiB. Divide the file"):
        find(tmp_path)


def test_without_pycocotools_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(InputError, match=r"needs the package pycocotools\. Install it: pip"):
        find(tmp_path)
