"""Reads the exports that docs/annotation_tools.md describes, with the configs of the page."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from data.config import DataConfig
from data.listing.pairs import find_pairs
from data.rasters.masks import load_mask
from pipeline.config.config import Config
from pipeline.planning.plan import plan_config

PAGE = (Path(__file__).parents[2] / "docs/annotation_tools.md").read_text()
CONFIGS = {
    config["data"]["source"]["path"]: config["data"]
    for config in map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)```", PAGE, re.M | re.S))
}
HEIGHT, WIDTH = 40, 48
CLASSES = ["background", "cat", "red dog"]
# A cat in the upper left and a dog in the lower right corner, which touch nothing
TRUTH = np.zeros((HEIGHT, WIDTH), np.uint8)
TRUTH[4:14, 2:22], TRUTH[20:36, 30:42] = 1, 2
BOXES = {1: (2, 4, 22, 14), 2: (30, 20, 42, 36)}


def save(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    if palette is not None:
        image = image.convert("P") if image.mode != "L" else image
        image.putpalette(np.asarray(palette, np.uint8).ravel().tolist())
    image.save(path)


def save_image(path):
    save(path, np.random.default_rng(len(str(path))).integers(0, 256, (HEIGHT, WIDTH, 3)))


def coco(images, outline="polygon", **more):
    """Returns COCO JSON for images that all show the truth."""
    annotations = []
    for image_id in range(len(images)):
        for class_id, (left, top, right, bottom) in BOXES.items():
            polygon = [left, top, right, top, right, bottom, left, bottom]
            flat = (class_id == TRUTH).ravel(order="F")
            counts = np.diff(np.flatnonzero(np.diff(flat, prepend=0, append=2)), prepend=0)
            rle = {"size": [HEIGHT, WIDTH], "counts": counts.tolist()}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(outline == "rle"),
                    "segmentation": [polygon] if outline == "polygon" else rle,
                    **more,
                }
            )
    return json.dumps(
        {
            "info": {"description": ""},
            "licenses": [],
            "categories": [
                {"id": number, "name": name, "supercategory": ""}
                for number, name in enumerate(CLASSES)
                if number
            ],
            "images": [
                {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
                for number, name in enumerate(images)
            ],
            "annotations": annotations,
        }
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cvat(root):
    colours = np.array([(0, 0, 0), (250, 50, 83), (36, 179, 83)])
    for name in ("a", "b"):
        save_image(root / f"JPEGImages/{name}.png")
        save(root / f"SegmentationClass/{name}.png", colours[TRUTH])
        save(root / f"SegmentationObject/{name}.png", colours[TRUTH])
    write(root / "ImageSets/Segmentation/default.txt", "a\nb\n")
    write(
        root / "labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\n"
        "red dog:36,179,83::\n",
    )


def cvat_coco(root):
    for name in ("a", "b"):
        save_image(root / f"images/default/{name}.png")
    attributes = {"attributes": {"occluded": False}}
    text = coco(["a.png", "b.png"], "rle", **attributes)
    write(root / "annotations/instances_default.json", text)


def label_studio(root):
    names = ["images/0f2f1a21-a.png", "images\\3c1d02aa-b.png"]
    for name in names:
        save_image(root / name.replace("\\", "/"))
    write(root / "result.json", coco(names, ignore=0))


def labelme(root):
    # labelme draws an outline with all pixels that it touches.
    shapes = [
        {
            "label": CLASSES[class_id],
            "points": [[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]],
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for class_id, (left, top, right, bottom) in BOXES.items()
    ]
    for name in ("a", "sub/b"):
        save_image(root / f"{name}.png")
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{Path(name).name}.png",
            "imageData": "iVBORw0KGgo=",
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        write(root / f"{name}.json", json.dumps(content, indent=2))


def labelme_voc(root):
    palette = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    for name in ("a", "b"):
        save_image(root / f"JPEGImages/{name}.jpg")
        save(root / f"SegmentationClass/{name}.png", TRUTH, palette)
        save_image(root / f"SegmentationClassVisualization/{name}.jpg")
    write(root / "class_names.txt", "_background_\ncat\nred dog")


def roboflow(root):
    for split in ("train", "valid", "test"):
        for name in ("a_png.rf.04a1", "b_png.rf.77e0"):
            save_image(root / f"{split}/{name}.jpg")
            save(root / f"{split}/{name}_mask.png", TRUTH)
        write(
            root / f"{split}/_classes.csv",
            "Pixel Value, Class\n0, background\n1, cat\n2, red dog\n",
        )
    write(root / "README.roboflow.txt", "cats > 2024\n")


def roboflow_coco(root):
    for split in ("train", "valid", "test"):
        names = ["a_png.rf.04a1.jpg", "b_png.rf.77e0.jpg"]
        for name in names:
            save_image(root / split / name)
        write(root / split / "_annotations.coco.json", coco(names))
    write(root / "README.dataset.txt", "cats\n")


def voc(root):
    colours = np.zeros((256, 3))
    colours[[0, 8, 12, 255]] = [(0, 0, 0), (64, 0, 0), (64, 0, 128), (224, 224, 192)]
    ids = np.array([0, 8, 12], np.uint8)[TRUTH]
    ids[0] = 255
    for name in ("2007_000033", "2007_000042"):
        save_image(root / f"JPEGImages/{name}.jpg")
        save(root / f"SegmentationClass/{name}.png", ids, colours)
        save(root / f"SegmentationObject/{name}.png", ids, colours)
    save_image(root / "JPEGImages/2008_000001.jpg")
    write(root / "ImageSets/Segmentation/train.txt", "2007_000033\n")
    write(root / "ImageSets/Segmentation/val.txt", "2007_000042\n")


def supervisely(root):
    for name in ("ds0/{}/a", "ds1/{}/a"):
        save_image(root / f"{name.format('img')}.jpg")
        save(root / f"{name.format('masks_machine')}.png", np.stack(3 * [TRUTH], 2))
        save_image(root / f"{name.format('masks_human')}.png")
        write(root / f"{name.format('ann')}.jpg.json", '{"description": "", "objects": []}')
    write(root / "meta.json", '{"classes": []}')
    write(root / "obj_class_to_machine_color.json", '{"cat": [1, 1, 1], "red dog": [2, 2, 2]}')


def cells(root):
    for name in ("7", "8"):
        save_image(root / f"images/{name}.png")
        for class_id, class_name in ((1, "nucleus"), (2, "wall")):
            save(root / f"masks/{name}_{class_name}.png", (class_id == TRUTH) * 255)


def stage1_train(root):
    for name in ("0a7d", "1b44"):
        save_image(root / name / f"images/{name}.png")
        for class_id in (1, 2):
            save(root / name / f"masks/0{class_id}a9.png", (class_id == TRUTH) * 255)


EXPORTS = {
    "cvat": cvat,
    "cvat_coco": cvat_coco,
    "label_studio": label_studio,
    "labelme": labelme,
    "labelme_voc": labelme_voc,
    "roboflow": roboflow,
    "roboflow_coco": roboflow_coco,
    "VOC2012": voc,
    "supervisely": supervisely,
    "cells": cells,
    "stage1_train": stage1_train,
}
PAIRS = {"roboflow": 6, "roboflow_coco": 6}
IDS = {"VOC2012": [0, 8, 12], "stage1_train": [0, 1, 1]}
BY_HAND = ("supervisely", "VOC2012")  # init writes another config, or none


def read(content, tmp_path):
    """Returns the classes, the number of pairs, and the distinct masks."""
    data = DataConfig.model_validate(content)
    found = find_pairs(data, name="tools", folder=str(tmp_path / "own/folder"))
    assert found.problems == []
    masks = [load_mask(Path(p.mask).read_bytes(), p.mask, data).class_ids for p in found.pairs]
    return data.classes, len(found.pairs), {mask.tobytes() for mask in masks}


def expected(tool):
    ids = np.array(IDS.get(tool, [0, 1, 2]), np.uint8)[TRUTH]
    if tool == "VOC2012":
        ids[0] = 255
    return PAIRS.get(tool, 2), {ids.tobytes()}


def test_the_page_has_a_config_for_each_export():
    assert list(CONFIGS) == list(EXPORTS)


@pytest.mark.parametrize("tool", EXPORTS)
def test_the_config_of_the_page_reads_the_export(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    EXPORTS[tool](Path(tool))
    classes, *read_masks = read(CONFIGS[tool], tmp_path)
    assert tuple(read_masks) == expected(tool)
    if tool not in ("VOC2012", "cells", "stage1_train"):
        assert classes == ["background", "cat", "red dog"]


@pytest.mark.parametrize("tool", [name for name in EXPORTS if name not in BY_HAND])
def test_init_writes_a_config_that_reads_the_export(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    EXPORTS[tool](Path(tool))
    config = Config.model_validate(plan_config(Path(tool)).config)
    _, *read_masks = read(config.data.model_dump(), tmp_path)
    assert tuple(read_masks) == expected(tool)
