import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.rasters.masks import load_mask


def config(path, table, kind="folder", **changes):
    return DataConfig.model_validate(
        {"source": {"kind": kind, "path": str(path)}, "mask_values": f"from {table}"} | changes
    )


@pytest.fixture
def labelmap(tmp_path):
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nred car:250,50,83::\nbus:0,0,9::\n")
    return tmp_path


def test_classes_are_named_by_the_table(labelmap):
    data = config(labelmap, "labelmap.txt")
    assert data.classes == ["background", "red car", "bus"]
    assert data.mask_values == {"#000000": "background", "#fa3253": "red car", "#000009": "bus"}
    assert DataConfig.model_validate_json(data.model_dump_json()) == data


def test_a_changed_table_changes_the_config(labelmap):
    before = config(labelmap, "labelmap.txt")
    (labelmap / "labelmap.txt").write_text("background:0,0,0::\nred car:250,50,84::\n")
    assert config(labelmap, "labelmap.txt").model_dump_json() != before.model_dump_json()


def test_classes_are_matched_by_name(labelmap):
    data = config(labelmap, "labelmap.txt", classes=["red_car", "background"])
    assert data.mask_values == {"#000000": "background", "#fa3253": "red_car"}
    with pytest.raises(ValueError, match=r"labelmap.txt does not name 'red_cat' \(did you mean"):
        config(labelmap, "labelmap.txt", classes=["background", "red_cat"])


@pytest.mark.parametrize(
    ("kind", "path"),
    [("folder", "."), ("folder", "span-{SPAN}"), ("folder", "{SPAN}"), ("manifest", "all.csv")],
)
def test_the_path_is_relative_to_the_folder_of_the_source(labelmap, kind, path):
    assert len(config(labelmap / path, "labelmap.txt", kind).classes) == 3


def test_voc_is_read_by_name(tmp_path):
    data = config("x", "voc", classes=["background", "cat"])
    assert data.mask_values == {"#000000": "background", "#400000": "cat"}
    assert len(config("x", "voc").classes) == 21
    mask = Image.new("RGB", (3, 1))
    mask.putpixel((1, 0), (64, 0, 0))
    mask.putpixel((2, 0), (224, 224, 192))
    mask.save(tmp_path / "1.png")
    loaded = load_mask((tmp_path / "1.png").read_bytes(), "1.png", data)
    np.testing.assert_array_equal(loaded.class_ids, [[0, 1, 255]])


def test_palette_masks_are_read_by_the_colours_of_the_table(labelmap):
    mask = Image.new("P", (2, 1))
    mask.putpalette([0, 0, 0, 0, 0, 0, 250, 50, 83])
    mask.putpixel((1, 0), 2)
    mask.save(labelmap / "1.png")
    data = config(labelmap, "labelmap.txt")
    loaded = load_mask((labelmap / "1.png").read_bytes(), "1.png", data)
    np.testing.assert_array_equal(loaded.class_ids, [[0, 1]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("none.txt", r"mask_values: .*none.txt: no such file"),
        ("", "should be a class for each pixel value, or a table such as from labelmap.txt, found"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        config(tmp_path, table)


@pytest.mark.parametrize("classes", ["background", [1, {}]])
def test_classes_of_another_type_are_refused(labelmap, classes):
    with pytest.raises(ValueError, match="classes"):
        config(labelmap, "labelmap.txt", classes=classes)
