"""Writes annotations in COCO's format, with images, for tests."""

import json

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "red dog"}]


def square(left, top, side):
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def image(number, name=None, height=8, width=12):
    return {"id": number, "file_name": name or f"{number}.png", "height": height, "width": width}


def annotation(image_id=1, category_id=3, segmentation=None, **more):
    content = {"image_id": image_id, "category_id": category_id, "iscrowd": 0}
    return content | {"segmentation": segmentation or [square(1, 1, 4)]} | more


def write_coco(path, images, annotations, categories=CATEGORIES, pictures=True):
    """Writes the JSON file and, beside it, the images that it names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbered = [{"id": number, **each} for number, each in enumerate(annotations, 1)]
    content = {"images": images, "annotations": numbered, "categories": categories}
    path.write_text(json.dumps(content))
    for each in images if pictures else ():
        file = path.parent / each["file_name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((each["height"], each["width"], 3), each["id"], np.uint8)
        Image.fromarray(pixels).save(file)
