import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.config import DataConfig
from data.examples.parsing import decode_mask, parse_pair
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.listing.pair import Pair
from data.rasters.images import encode_png

PIXELS = np.array(
    [[[0, 10, 20], [30, 40, 50], [60, 70, 80]], [[90, 100, 110], [120, 130, 140], [150, 160, 170]]],
    np.uint8,
)
CLASSES = ["ground", "disc", "rim"]
DATA = DataConfig.model_validate({"source": {"kind": "folder", "path": "x"}, "classes": CLASSES})


@pytest.fixture
def example(tmp_path):
    """Returns a function that writes a pair of files and makes its tf.Example."""

    def example(class_ids):
        image, mask = tmp_path / "image.png", tmp_path / "mask.png"
        image.write_bytes(encode_png(PIXELS))
        mask.write_bytes(encode_png(np.array(class_ids, np.uint8)))
        pair = Pair("x/1", str(image), str(mask), "x", "discs", 3, "train")
        return make_example(read_pair(pair, DATA), CLASSES)

    return example


def values(made):
    lists = {
        name: getattr(feature, feature.WhichOneof("kind")).value
        for name, feature in made.features.feature.items()
    }
    assert all(len(found) == 1 for found in lists.values())
    return {name: found[0] for name, found in lists.items()}


def test_every_feature_of_a_hand_computed_example(example):
    found = values(example([[0, 0, 1], [255, 0, 1]]))
    encoded = found.pop("image/encoded")
    mask = Image.open(io.BytesIO(found.pop("mask/encoded")))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))), PIXELS)
    assert (mask.format, mask.mode) == ("PNG", "L")
    np.testing.assert_array_equal(np.asarray(mask), [[0, 0, 1], [255, 0, 1]])
    # Red is 0, 30, …, 150; green is 10 more, blue 20 more. The variance of the reds is 2625, that
    # of the offsets 0, 10, 20 is 200/3.
    assert found == {
        "image/key": b"x/1",
        "image/source": b"discs",
        "image/group": b"x",
        "image/span": 3,
        "image/sha256": hashlib.sha256(encoded).hexdigest().encode(),
        "image/height": 2,
        "image/width": 3,
        "image/mean_red": 75.0,
        "image/mean_green": 85.0,
        "image/mean_blue": 95.0,
        "image/std": pytest.approx((2625 + 200 / 3) ** 0.5),
        "image/share_red": pytest.approx(0.294),
        "image/share_blue": pytest.approx(0.373),
        # The sums of the channels rise by 90 in each row and by 270 from row to row.
        "image/sharpness": 0.0,
        "mask/fraction/ground": pytest.approx(3 / 5),
        "mask/fraction/disc": pytest.approx(2 / 5),
        "mask/fraction/rim": 0.0,
    }


def test_a_manifests_columns_are_features(tmp_path, example):
    plain = example([[0, 0, 1], [255, 0, 1]])
    files = (str(tmp_path / "image.png"), str(tmp_path / "mask.png"))
    cells = {"scanner": "Zürich", "note": ""}
    made = make_example(
        read_pair(Pair("x/1", *files, "x", "discs", 3, "train", cells), DATA), CLASSES
    )
    assert values(made) == values(plain) | {
        "column/scanner": "Zürich".encode(),
        "column/note": b"",
    }


def test_features_have_the_types_of_the_contract(example):
    kinds = {
        name: feature.WhichOneof("kind")
        for name, feature in example([[0, 0, 1], [255, 0, 1]]).features.feature.items()
    }
    floats = {"image/mean_red", "image/mean_green", "image/mean_blue", "image/std"}
    floats |= {"image/share_red", "image/share_blue", "image/sharpness"}
    floats |= {f"mask/fraction/{name}" for name in ("ground", "disc", "rim")}
    assert {name for name, kind in kinds.items() if kind == "float_list"} == floats
    assert {name for name, kind in kinds.items() if kind == "int64_list"} == {
        "image/height",
        "image/width",
        "image/span",
    }


def test_a_pair_that_cannot_be_used_makes_no_example(example):
    with pytest.raises(ValueError, match="x/1 cannot be used"):
        example(np.full((2, 3), 255))


def test_parse_pair_gives_back_image_and_mask_in_a_graph(example):
    class_ids = [[0, 0, 1], [255, 0, 2]]
    serialized = [example(class_ids).SerializeToString()]
    ((image, mask),) = tf.data.Dataset.from_tensor_slices(serialized).map(parse_pair)
    assert (image.dtype, mask.dtype) == (tf.uint8, tf.uint8)
    np.testing.assert_array_equal(image, PIXELS)
    np.testing.assert_array_equal(mask, class_ids)


def test_decode_mask_keeps_every_id():
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(decode_mask(encode_png(ids)), ids)
