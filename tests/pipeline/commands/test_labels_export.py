import numpy as np
import pytest

from data.config import DataConfig
from data.rasters.masks import load_mask
from pipeline.commands.labels_export import mask_picture

MASK = np.array([[0, 1, 255], [1, 1, 0]], np.uint8)


@pytest.mark.parametrize(
    ("values", "ignore", "expected"),
    [
        ({}, 255, [[0, 1, 255], [1, 1, 0]]),
        ({7: "ground", 9: "disc", 8: "disc"}, 3, [[7, 9, 3], [9, 9, 7]]),
        ({7: "ground", 300: "disc"}, 3, [[7, 300, 3], [300, 300, 7]]),
        ({0: "ground", "other": "disc"}, 255, [[0, 1, 255], [1, 1, 0]]),
        ({1: "ground", "other": "disc"}, 0, [[1, 2, 0], [2, 2, 1]]),
        (
            {"#ff8001": "ground", "#000002": "disc"},
            "#010101",
            [[[255, 128, 1], [0, 0, 2], [1, 1, 1]], [[0, 0, 2], [0, 0, 2], [255, 128, 1]]],
        ),
    ],
)
def test_an_exported_mask_reads_as_the_same_classes(tmp_path, values, ignore, expected):
    data = DataConfig(
        source={"kind": "folder", "path": "x"},
        classes=["ground", "disc"],
        mask_values=values,
        ignore_value=ignore,
    )
    picture = mask_picture(MASK, data)
    assert np.asarray(picture).tolist() == expected
    picture.save(tmp_path / "mask.png")
    loaded = load_mask((tmp_path / "mask.png").read_bytes(), "mask.png", data)
    np.testing.assert_array_equal(loaded.class_ids, MASK)
