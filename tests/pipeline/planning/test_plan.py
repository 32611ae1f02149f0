import pytest

from data.errors import InputError
from pipeline.config.config import Config
from pipeline.planning.plan import plan_config


def data_of(folder):
    """Plans a config, checks that it is valid, and returns its data section without the path."""
    plan = plan_config(folder)
    Config.model_validate(plan.config)
    data = plan.config["data"]
    assert data["source"].pop("path").startswith(str(folder))
    return data


ARRANGEMENTS = {
    "sub-folders": ("images/{}.jpg", "masks/{}.png", {}),
    "other names": ("imgs/{}.jpg", "labels/{}.png", {"images": "imgs", "masks": "labels"}),
    "one folder": (
        "{}.png",
        "{}_mask.png",
        {"images": ".", "masks": ".", "mask_pattern": "*_mask"},
    ),
    "patterns": (
        "images/img_{}.png",
        "masks/seg_{}.png",
        {"image_pattern": "img_*", "mask_pattern": "seg_*"},
    ),
}


@pytest.mark.parametrize(("image", "mask", "source"), ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_arrangements_are_recognised(tmp_path, write_pair, image, mask, source):
    for number in range(4):
        write_pair(image.format(number), mask.format(number))
    data = data_of(tmp_path)
    assert data["source"] == {"kind": "folder", **source}
    assert data["classes"] == ["background", "object"]
    assert "mask_values" not in data


@pytest.mark.parametrize("layout", ["{split}/images/{n}.png", "images/{split}/{n}.png"])
def test_split_folders_are_recognised_and_completed(tmp_path, write_pair, layout):
    for split, number in (("train", 1), ("train", 2), ("valid", 3)):
        image = layout.format(split=split, n=number)
        write_pair(image, image.replace("images", "masks"))
    data = data_of(tmp_path)
    assert data["source"] == {"kind": "folder", "split_folders": True}
    assert data["take_test_from_train"] == 0.5  # one of two pairs
    assert "take_val_from_train" not in data
    assert plan_config(tmp_path).views == 2  # those of train


@pytest.mark.parametrize(("end", "separator"), [("csv", ","), ("tsv", "\t")])
def test_a_table_is_recognised(tmp_path, write_pair, end, separator):
    write_pair("a/1.png", "b/1x.png")
    write_pair("a/2.png", "b/2y.png")
    text = "Image,mask\na/1.png,b/1x.png\na/2.png,b/2y.png\n".replace(",", separator)
    (tmp_path / f"pairs.{end}").write_text(text)
    assert data_of(tmp_path)["source"] == {"kind": "manifest", "image": "Image"}


VALUES = {
    "0 and 255": ([0, 255], {"mask_values": {0: "background", 255: "object"}}),
    "three ids": ([0, 1, 2], {"classes": ["class_0", "class_1", "class_2"]}),
    "ids and 255": ([0, 1, 255], {"classes": ["background", "object"]}),
    "grey levels": (
        [0, 128, 255],
        {"mask_values": {0: "class_0", 128: "class_1", 255: "class_2"}},
    ),
    "gaps": ([0, 7], {"mask_values": {0: "background", 7: "object"}}),
    "objects": ([*range(40)], {"mask_values": {0: "background", "other": "object"}}),
    "colours": (
        [(0, 0, 0), (255, 0, 0)],
        {"mask_values": {"#000000": "background", "#ff0000": "object"}},
    ),
}


@pytest.mark.parametrize(("values", "expected"), VALUES.values(), ids=VALUES)
def test_values_become_classes(tmp_path, write_pair, values, expected):
    for number in range(2):
        write_pair(f"images/{number}.png", f"masks/{number}.png", values)
    data = data_of(tmp_path)
    assert expected.items() <= data.items()
    assert ("mask_values" in data) == ("mask_values" in expected)


def test_names_of_classes_come_from_the_tool(tmp_path, write_pair):
    write_pair("images/1.png", "masks/1.png", [(0, 0, 0), (255, 0, 0)])
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nred car:255,0,0::\nbus:0,0,9::\n"
    )
    data = data_of(tmp_path)
    assert data["classes"] == ["background", "red car", "bus"]
    assert data["mask_values"] == "from labelmap.txt"


@pytest.mark.parametrize(
    ("values", "mask_values"),
    [([0, 8, 255], None), ([(0, 0, 0), (64, 0, 0), (224, 224, 192)], "from voc")],
)
def test_masks_of_voc_have_its_classes(tmp_path, write_pair, values, mask_values):
    write_pair("JPEGImages/1.png", "SegmentationClass/1.png", values)
    data = data_of(tmp_path)
    assert len(data["classes"]) == 21
    assert data.get("mask_values") == mask_values


def test_plain_numbers_are_no_groups(tmp_path, write_pair):
    for number in range(20):
        write_pair(f"images/{number:02d}.png", f"masks/{number:02d}.png")
    assert "group" not in data_of(tmp_path)


def test_groups_are_recognised(tmp_path, write_pair):
    for patient in range(5):
        for slice_number in range(2):
            name = f"patient{patient:02d}_slice{slice_number}.png"
            write_pair(f"images/{name}", f"masks/{name}")
    assert data_of(tmp_path)["group"] == r"^(?:.*/)?([A-Za-z]+[-_]?\d+)[-_.]"


@pytest.mark.parametrize(
    ("size", "view"),
    [
        ((100, 150), {"kind": "resize", "height": 96, "width": 160}),
        ((400, 500), {"kind": "crop", "height": 256, "width": 256}),
    ],
)
def test_large_images_are_read_in_crops(tmp_path, write_pair, size, view):
    write_pair("images/1.png", "masks/1.png", size=size)
    assert data_of(tmp_path)["view"] == view


@pytest.mark.parametrize(
    ("values", "message"),
    [([3], "a single value, 3"), ([*range(5, 200)], "look like a photograph or a smoothed mask")],
)
def test_masks_that_hold_no_classes_are_refused(tmp_path, write_pair, values, message):
    write_pair("images/1.png", "masks/1.png", values)
    with pytest.raises(InputError, match=message):
        plan_config(tmp_path)


def test_a_folder_without_pairs_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no pairs of images and masks found"):
        plan_config(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        plan_config(tmp_path / "none")
