import numpy as np
from PIL import Image

from data.config import DataConfig
from data.listing.pair import Pair
from pipeline.commands.check_samples import draw_samples

DATA = DataConfig.model_validate(
    {"source": {"kind": "folder", "path": "x"}, "classes": ["a", "b", "c"]}
)


def pair(folder, name, mask, split="train"):
    paths = [str(folder / f"{name}_{kind}.png") for kind in ("image", "mask")]
    Image.fromarray(np.full((*mask.shape, 3), 90, np.uint8)).save(paths[0])
    Image.fromarray(mask.astype(np.uint8)).save(paths[1])
    return Pair(name, *paths, name, "s", 0, split)


def test_the_pairs_with_the_most_classes_are_shown_largest_class_first(tmp_path):
    one = np.zeros((4, 6))
    three = np.array([[2] * 6, [2] * 6, [0] * 6, [1, 0, 0, 0, 0, 255]])
    pairs = [pair(tmp_path, f"one {number}", one) for number in range(11)]
    pairs.append(pair(tmp_path, "three", three))
    drawn = draw_samples(pairs, DATA)
    assert drawn["train"][0].key == "three"
    assert len(drawn["train"]) == 4
    assert drawn["train"][0].present == [2, 0, 1]
    assert (drawn["train"][0].width, drawn["train"][0].height) == (240, 160)
    assert drawn["val"] == drawn["test"] == []


def test_pairs_that_cannot_be_used_are_left_out(tmp_path):
    good = pair(tmp_path, "good", np.ones((4, 6)), "test")
    wrong_value = pair(tmp_path, "value", np.full((4, 6), 9), "test")
    other_size = pair(tmp_path, "size", np.ones((4, 6)), "test")
    Image.new("RGB", (3, 3)).save(other_size.image)
    drawn = draw_samples([wrong_value, other_size, good], DATA)
    assert [sample.key for sample in drawn["test"]] == ["good"]
