import numpy as np
import pytest
from PIL import Image

from components.labels.pairs import class_ids_of, read_unchanged, score_pairs
from components.labels.verdicts import content_hash
from data.config import DataConfig
from data.errors import InputError
from data.examples.reading import read_pair
from data.listing.pair import Pair
from serving.doubts import Doubts

DATA = DataConfig(source={"kind": "folder", "path": "x"}, classes=["ground", "disc"])


@pytest.fixture
def pairs(tmp_path):
    """Pairs whose masks lack 0, 3 and 6 rows of discs; the image's red value is that number."""
    pairs = []
    for rows in (0, 3, 6):
        files = [str(tmp_path / f"{kind}{rows}.png") for kind in ("image", "mask")]
        Image.fromarray(np.full((12, 10, 3), rows, np.uint8)).save(files[0])
        mask = np.ones((12, 10), np.uint8)
        mask[:rows] = 0
        Image.fromarray(mask).save(files[1])
        pairs.append(Pair(str(rows), *files, "", "", 0, "val"))
    return pairs


def expect_discs(read):
    wrong = class_ids_of(read.mask) != 1
    return Doubts(0.1, np.where(wrong, 1, 255).astype(np.uint8), np.where(wrong, 0.9, 0))


def test_the_masks_of_readable_pairs_are_scored(pairs, tmp_path):
    (tmp_path / "image3.png").write_bytes(b"")
    (mask, other) = score_pairs(pairs, DATA, expect_discs)
    read = read_pair(pairs[0], DATA)
    assert mask == ("0", "val", content_hash(read.image, read.mask), (0.1, 0.45, 0, None))
    assert other.key == "6"
    assert other.scores.worst[:7] == (0, 1, 0, 0, 6, 10, 60)
    assert other.scores.suspicion == pytest.approx((0.9 + 0.45**0.5) / 2)


def test_images_that_the_model_refuses_are_left_out(pairs):
    def refuse(read):
        raise InputError("too large")

    assert list(score_pairs(pairs, DATA, refuse)) == []


def test_a_changed_pair_is_not_read(pairs, tmp_path):
    mask = next(score_pairs(pairs[2:], DATA, expect_discs))
    assert read_unchanged(mask, pairs[2], DATA) == read_pair(pairs[2], DATA)
    assert read_unchanged(mask, None, DATA) is None
    Image.fromarray(np.ones((12, 10), np.uint8)).save(tmp_path / "mask6.png")
    assert read_unchanged(mask, pairs[2], DATA) is None
    (tmp_path / "mask6.png").unlink()
    assert read_unchanged(mask, pairs[2], DATA) is None
