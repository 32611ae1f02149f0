import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from data.rasters.masks import load_mask
from pipeline.planning.class_names import NamedClasses
from pipeline.planning.classes import plan_classes
from pipeline.planning.survey import Survey

PIXELS = 10_000


def survey(*masks):
    """Makes a survey of masks, each of which is given by its values or by pixels of each value."""
    seen = Survey()
    for mask in masks:
        values = mask if isinstance(mask, dict) else dict.fromkeys(mask, PIXELS // len(mask))
        seen.masks.append(values)
        seen.values.update(values)
    return seen


def some_of(classes, number=9, masks=60, seed=0):
    """Returns the values of masks, each of which has 0 and some of the classes."""
    generator = np.random.default_rng(seed)
    return [sorted({0, *generator.choice(classes, number).tolist()}) for _ in range(masks)]


def plan(*masks, named=None):
    part, decision = plan_classes(survey(*masks), named)
    DataConfig.model_validate({"source": {"kind": "folder", "path": "x"}} | part)
    return part, decision


@pytest.mark.parametrize("count", [31, 59, 150, 254])
def test_many_classes_are_told_from_objects_by_their_gaps_in_each_mask(count):
    part, decision = plan(*some_of(count, masks=4 * count))
    assert part == {"classes": [f"class_{number}" for number in range(count)]}
    assert decision.decided.endswith(f"rename them ({count} classes)")


def test_classes_that_no_mask_shows_are_kept():
    part, _ = plan(*some_of([number for number in range(150) if number % 7], masks=600))
    assert len(part["classes"]) == 150
    assert "mask_values" not in part


def test_classes_beside_255_are_classes():
    part, decision = plan(*([*values, 255] for values in some_of(40, masks=200)))
    assert len(part["classes"]) == 40
    assert "255 is ignored" in decision.decided


def test_numbers_far_apart_are_classes_of_their_own():
    values = [value * 1000 for value in range(40)]
    part, _ = plan(*some_of(values, masks=300))
    assert part["mask_values"][39000] == "class_39"


OBJECTS = {"classes": ["background", "object"], "mask_values": {0: "background", "other": "object"}}
INSTANCES = {
    "more than 30 in each mask": [range(40), range(35)],
    "few in each mask": [range(4), range(12), range(7), range(9)],
    "gaps by overlap": [[0, 1, 2, 4, *range(5, 50)], [*range(31), 33]],
    "ids of their own in the whole data set": [
        [0, *range(9 * mask + 1, 9 * mask + 10)] for mask in range(8)
    ],
    "16 bits": [[0, *range(26000 + 9 * mask, 26009 + 9 * mask)] for mask in range(8)],
    "more than 255": [range(300), range(280)],
}


@pytest.mark.parametrize("masks", INSTANCES.values(), ids=INSTANCES)
def test_ids_of_objects_are_one_class(masks):
    part, decision = plan(*([*values] for values in masks))
    assert part == OBJECTS
    assert "instance masks" in decision.seen
    assert "classes.txt" in decision.decided


@pytest.mark.parametrize("count", [3, 8, 9, 20])
def test_few_values_are_classes_when_each_mask_has_all(count):
    part, _ = plan([*range(count)], [*range(count)], [*range(count)])
    assert len(part["classes"]) == count


SMOOTHED = {
    "black and white": [{0: 6000, 255: 3492} | dict.fromkeys(range(1, 255), 2)] * 3,
    "edges of colours": [
        {"#000000": 9000, "#ff0000": 950}
        | {f"#{level:02x}0000": 1 for level in range(20 * mask + 1, 20 * mask + 50)}
        for mask in range(4)
    ],
    "a photograph": [[*range(5, 200)]],
    "more colours than classes": [
        [f"#{mask:02x}{level:02x}00" for level in range(50)] for mask in range(9)
    ],
}


@pytest.mark.parametrize("masks", SMOOTHED.values(), ids=SMOOTHED)
def test_smoothed_masks_and_photographs_are_refused(masks):
    with pytest.raises(InputError, match=r"smoothed mask, not like classes\. .*classes\.txt"):
        plan(*masks)


def test_many_colours_are_classes():
    colours = [f"#{5 * number:02x}{255 - number:02x}07" for number in range(50)]
    masks = [["#000000", *(colours[i] for i in values)] for values in some_of(50, masks=200)]
    part, _ = plan(*masks)
    assert len(part["mask_values"]) == len(part["classes"]) == 51


def test_a_table_settles_that_ids_are_classes(tmp_path):
    names = NamedClasses({number: f"name {number}" for number in range(40)}, "classes.txt")
    part, decision = plan([*range(40)], [*range(35)], named=names)
    assert part == {"classes": [*names.names.values()]}
    assert "named by classes.txt" in decision.decided
    pixels = np.arange(40, dtype=np.uint8)[None]
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    data = DataConfig.model_validate({"source": {"kind": "folder", "path": "x"}} | part)
    mask = load_mask((tmp_path / "mask.png").read_bytes(), "mask.png", data)
    assert np.array_equal(mask.class_ids, pixels)


def test_a_table_that_lacks_a_value_is_named():
    names = NamedClasses({0: "ground", 1: "tree"}, "classes.txt")
    part, decision = plan([0, 1, 2], named=names)
    assert len(part["classes"]) == 3
    assert decision.seen.endswith("; classes.txt does not name 2")
