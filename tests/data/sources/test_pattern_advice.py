import re
import unicodedata

import pytest
import yaml

from data.sources.pattern_advice import advice_on_patterns
from tests.data.sources.folders import find_in, keys

NAMES = {
    "a suffix": ("{}.jpg", "{}_mask.png"),
    "a doubled suffix": ("{}.jpg", "{}.jpg.png"),
    "prefixes": ("img_{}.jpg", "mask_{}.png"),
    "capital letters": ("IMG_{}.JPG", "img_{}.PNG"),
    "both": ("scan_{}_rgb.tif", "scan_{}_lifelong.tif"),
    "prefix and suffix": ("{}.png", "gt-{}-final.png"),
}


@pytest.mark.parametrize(("image", "mask"), NAMES.values(), ids=NAMES)
def test_the_advice_pairs_the_files(tmp_path, write_files, image, mask):
    stems = ["01", "02", "10", "7b"]
    write_files(tmp_path, *(f"images/{image.format(stem)}" for stem in stems))
    write_files(tmp_path, *(f"masks/{mask.format(stem)}" for stem in stems))
    paths = [problem.file for problem in find_in(tmp_path).problems]
    images = sorted(path for path in paths if "/images/" in path)
    masks = sorted(path for path in paths if "/masks/" in path)
    advice = advice_on_patterns(images, masks)
    lines = advice.removeprefix("The names would match with, under data.source: ")
    assert len(keys(tmp_path, **yaml.safe_load(re.sub(", ", "\n", lines)))) == len(stems)


def test_letters_that_look_alike_are_explained():
    images = [f"i/é{number}.png" for number in range(3)]
    masks = [unicodedata.normalize("NFD", path) for path in images]
    assert "encoded differently" in advice_on_patterns(images, masks)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["1.png"], ["1_mask.png"]),
        (["1.png", "2.png"], ["3_mask.png", "4_mask.png"]),
        (["a.png", "b.png", "c.png"], ["a_x.png", "b_y.png", "c_z.png"]),
        ([], ["1.png", "2.png"]),
    ],
)
def test_without_a_common_part_there_is_no_advice(images, masks):
    assert advice_on_patterns(images, masks) is None
