import json

import pytest

from data.errors import InputError
from pipeline.config.config import Config
from pipeline.planning.plan import plan_config

# Data sets as they are published: paths of an image and of its mask, and the source
PUBLISHED = {
    "Carvana": (
        "train/{}.jpg",
        "train_masks/{}_mask.gif",
        {"images": "train", "masks": "train_masks", "mask_pattern": "*_mask"},
    ),
    "ISIC": (
        "ISIC2018_Task1-2_Training_Input/ISIC_{}.jpg",
        "ISIC2018_Task1_Training_GroundTruth/ISIC_{}_segmentation.png",
        {
            "images": "ISIC2018_Task1-2_Training_Input",
            "masks": "ISIC2018_Task1_Training_GroundTruth",
            "mask_pattern": "*_segmentation",
        },
    ),
    "nnU-Net": (
        "imagesTr/c_{}_0000.png",
        "labelsTr/c_{}.png",
        {"images": "imagesTr", "masks": "labelsTr", "image_pattern": "*_0000"},
    ),
    "Oxford-IIIT Pet": (
        "images/cat_{}.jpg",
        "annotations/trimaps/cat_{}.png",
        {"masks": "annotations/trimaps", "images": "images"},
    ),
    "MMSegmentation": (
        "img_dir/train/{}.jpg",
        "ann_dir/train/{}.png",
        {"images": "img_dir", "masks": "ann_dir", "split_folders": True},
    ),
    "Cityscapes": (
        "leftImg8bit/train/ulm/ulm_{}_leftImg8bit.png",
        "gtFine/train/ulm/ulm_{}_gtFine_labelIds.png",
        {
            "images": "leftImg8bit",
            "masks": "gtFine",
            "split_folders": True,
            "image_pattern": "*_leftImg8bit",
            "mask_pattern": "*_gtFine_labelIds",
        },
    ),
    "one folder": (
        "image_{}.png",
        "label_{}.png",
        {"images": ".", "masks": ".", "image_pattern": "image_*", "mask_pattern": "label_*"},
    ),
}


def source_of(folder):
    """Plans a config, checks that it is valid, and returns its source without the path."""
    plan = plan_config(folder)
    Config.model_validate(plan.config)
    source = plan.config["data"]["source"]
    assert source.pop("path").startswith(str(folder))
    return source


@pytest.mark.parametrize(("image", "mask", "source"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_data_sets_are_recognised(tmp_path, write_pair, image, mask, source):
    for number in range(4):
        write_pair(image.format(number), mask.format(number))
    if "gtFine" in mask:
        (tmp_path / "gtFine/train/ulm/ulm_0_gtFine_polygons.json").write_text("{}")
    assert source_of(tmp_path) == {"kind": "folder", **source}


def test_a_single_sub_folder_is_looked_into(tmp_path, write_pair):
    for number in range(4):
        write_pair(f"cells/data/images/{number}.png", f"cells/data/masks/{number}.png")
    assert source_of(tmp_path) == {"kind": "folder"}


def test_columns_of_a_table_may_be_called_paths(tmp_path, write_pair):
    write_pair("a/1.png", "b/1x.png")
    write_pair("a/2.png", "b/2y.png")
    (tmp_path / "x.csv").write_text("img_path,mask_path\na/1.png,b/1x.png\na/2.png,b/2y.png\n")
    assert source_of(tmp_path) == {"kind": "manifest", "image": "img_path", "mask": "mask_path"}


def test_the_split_lists_of_voc_are_used(tmp_path, write_pair):
    for number in range(4):
        write_pair(f"JPEGImages/{number}.jpg", f"SegmentationClass/{number}.png")
    write_pair("JPEGImages/only_boxes.jpg", "x.png")
    lists = {"Main": "0\n1\nonly_boxes\n", "Segmentation": "0\n1\n2\n"}
    for name, text in lists.items():
        folder = tmp_path / "ImageSets" / name
        folder.mkdir(parents=True)
        (folder / "train.txt").write_text(text)
        (folder / "val.txt").write_text("3\n")
        (folder / "trainval.txt").write_text("0\n1\n2\n3\n")
    assert source_of(tmp_path)["split_lists"] == {
        "train": "ImageSets/Segmentation/train.txt",
        "val": "ImageSets/Segmentation/val.txt",
    }
    assert plan_config(tmp_path).problems == []


def test_other_files_are_left_out(tmp_path, write_pair):
    for number in range(4):
        write_pair(f"images/{number}.png", f"masks/{number}.png")
        (tmp_path / f"images/{number}.xml").touch()
    (tmp_path / "masks/notes.txt").touch()
    assert source_of(tmp_path)["ignore"] == ["*.txt", "*.xml"]
    plan = plan_config(tmp_path)
    assert plan.problems == []
    assert "*.txt, *.xml are left out" in plan.decisions[0].seen


@pytest.mark.parametrize(
    ("image", "mask"),
    [("{0}/{0}{1}.png", "{0}annot/{0}{1}.png"), ("{0}_images/{1}.png", "{0}_masks/{1}.png")],
    ids=["CamVid", "train_images"],
)
def test_folders_of_splits_with_other_names_say_what_to_rename(tmp_path, write_pair, image, mask):
    for split in ("train", "val"):
        for number in range(3):
            write_pair(image.format(split, number), mask.format(split, number))
    with pytest.raises(InputError) as caught:
        plan_config(tmp_path)
    names = [f"{path.split('/')[0]}".format("train") for path in (image, mask)]
    assert f"({names[0]} and {names[1]}, val" in str(caught.value)
    assert "Rename them to train/images and train/masks, val/images" in str(caught.value)


def test_what_is_there_instead_of_pairs_is_said(tmp_path):
    for path in ("images/1.heic", "images/2.heic", "masks/1.npy", "table.xlsx"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    seen = r"found among 1 \*\.xlsx, 2 \*\.heic in images, 1 \*\.npy in masks\. Expected"
    with pytest.raises(InputError, match=seen):
        plan_config(tmp_path)
    with pytest.raises(InputError, match=r"table\.xlsx: a file\. Unpack or convert it"):
        plan_config(tmp_path / "table.xlsx")


def test_a_fault_of_all_files_is_one_line(tmp_path, write_pair):
    for number in range(5):
        write_pair(f"images/{number}.png", f"masks/{number}.png")
        (tmp_path / f"masks/{number}.png").write_text("<html>")
    with pytest.raises(InputError) as caught:
        plan_config(tmp_path)
    (line,) = str(caught.value).splitlines()
    assert "masks/2.png and 2 more: cannot be read as an image" in line


def test_annotations_without_an_area_say_so(tmp_path, write_pair):
    line = {"label": "cat", "shape_type": "line", "points": [[1, 1], [9, 9]]}
    for number in range(5):
        write_pair(f"{number}.png", "x/y.png")
        content = {"imagePath": f"{number}.png", "imageHeight": 64, "imageWidth": 96}
        (tmp_path / f"{number}.json").write_text(json.dumps({**content, "shapes": [line]}))
    with pytest.raises(InputError, match="and 2 more: a line has no area"):
        plan_config(tmp_path)
