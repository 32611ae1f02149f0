import json

import pytest

from data.errors import InputError
from pipeline.planning.annotations import find_annotations
from pipeline.planning.plan import plan_config
from tests.data.sources.annotations.coco_files import CATEGORIES, annotation, image, write_coco
from tests.data.sources.annotations.test_labelme import shape, write_labelme

IMAGES = [image(number) for number in (1, 2)]
OBJECTS = [annotation(number) for number in (1, 2)]


def test_a_coco_file_beside_its_images(tmp_path):
    categories = [*CATEGORIES, {"id": 0, "name": "animals"}]
    write_coco(tmp_path / "result.json", IMAGES, OBJECTS, categories)
    (found,) = find_annotations(tmp_path)
    assert found.source == {"kind": "coco", "path": str(tmp_path), "annotations": "result.json"}
    assert found.classes == ["background", "cat"]
    plan = plan_config(tmp_path)
    assert plan.config["data"]["classes"] == ["background", "cat"]
    classes = next(each for each in plan.decisions if each.subject == "classes")
    assert classes.seen == "background (83.3%), cat (16.7%)"


def test_coco_files_of_splits(tmp_path):
    objects = [*OBJECTS, annotation(2, 7)]
    for split in ("train", "valid"):
        write_coco(tmp_path / split / "_annotations.coco.json", IMAGES, objects)
    plan = plan_config(tmp_path)
    assert plan.config["data"]["source"]["annotations"] == {
        "train": "train/_annotations.coco.json",
        "val": "valid/_annotations.coco.json",
    }
    assert plan.config["data"]["classes"] == ["background", "cat", "red dog"]
    assert plan.config["data"]["take_test_from_train"] == 0.5  # there are two images


def test_images_in_folders_of_their_own(tmp_path):
    for split in ("train2017", "val2017"):
        write_coco(tmp_path / split / "x.json", IMAGES, OBJECTS)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / split / "x.json").rename(tmp_path / f"annotations/instances_{split}.json")
        captions = [{"image_id": 1, "id": 1, "caption": "a cat"}]
        write_coco(
            tmp_path / f"annotations/captions_{split}.json", IMAGES, captions, pictures=False
        )
    (found,) = find_annotations(tmp_path)
    assert found.source["images"] == {"train": "train2017", "val": "val2017"}
    assert found.source["annotations"]["val"] == "annotations/instances_val2017.json"


def test_labels_of_labelme(tmp_path):
    square = [[1, 1], [5, 1], [5, 4]]
    write_labelme(tmp_path / "a/1.json", shape(square), shape(square, label="__ignore__"))
    write_labelme(tmp_path / "a/2.json", shape(square, label="red dog"))
    plan = plan_config(tmp_path)
    assert plan.config["data"]["source"] == {"kind": "labelme", "path": str(tmp_path)}
    assert plan.config["data"]["classes"] == ["background", "cat", "red dog"]


def test_names_that_no_class_can_have_are_replaced(tmp_path):
    categories = [{"id": 3, "name": "mean"}, {"id": 7, "name": " dog"}]
    write_coco(tmp_path / "x.json", IMAGES, [*OBJECTS, annotation(2, 7)], categories)
    (found,) = find_annotations(tmp_path)
    assert "mean cannot be the name of a class" in found.description
    data = plan_config(tmp_path).config["data"]
    assert data["source"]["categories"] == {"mean": "class_1"}
    assert data["classes"] == ["background", "class_1", "dog"]


def test_other_json_files_are_no_annotations(tmp_path):
    for number, content in enumerate(({}, [], {"images": [1], "categories": [2]}, {"shapes": 3})):
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    (tmp_path / "broken.json").write_text("{")
    assert not list(find_annotations(tmp_path))


def test_annotations_that_cannot_be_read_are_named(tmp_path):
    categories = [*CATEGORIES, {"id": 3, "name": "hat"}]
    write_coco(tmp_path / "result.json", IMAGES, OBJECTS, categories)
    with pytest.raises(InputError, match="two categories have the id 3"):
        plan_config(tmp_path)
