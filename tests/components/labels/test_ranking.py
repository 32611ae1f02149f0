import numpy as np
import pytest
from PIL import Image

from components.labels.ranking import rank_masks
from components.labels.verdicts import content_hash
from data.config import DataConfig
from data.errors import InputError
from data.examples.reading import read_pair
from data.listing.pair import Pair

DATA = DataConfig(source={"kind": "folder", "path": "x"}, classes=["ground", "disc"])


@pytest.fixture
def pairs(tmp_path):
    """Pairs whose masks lack 0, 3, … 12 rows of discs; the image's red value is that number."""
    pairs = []
    for rows in (0, 3, 6, 9, 12):
        files = [str(tmp_path / f"{kind}{rows:02d}.png") for kind in ("image", "mask")]
        Image.fromarray(np.full((12, 10, 3), rows, np.uint8)).save(files[0])
        mask = np.ones((12, 10), np.uint8)
        mask[:rows] = 0
        Image.fromarray(mask).save(files[1])
        pairs.append(Pair(f"{rows:02d}", *files, "", "", 0, "val"))
    return pairs


def expects_discs(_pair, _image):
    return np.stack([np.full((12, 10), 0.1), np.full((12, 10), 0.9)], -1).astype(np.float32)


def test_only_the_most_suspicious_are_kept(pairs):
    ranking = rank_masks(iter(pairs), DATA, expects_discs, set(), most=2)
    assert [ranked.pair.key for ranked in ranking.masks] == ["12", "09"]
    assert ranking[1:] == (4, 5, 0, 0)
    worst = ranking.masks[0].scores  # p = 0.1 everywhere, and a region of the whole image
    assert worst.suspicion == pytest.approx((0.9 + 0.9**0.5) / 2)


def test_equal_masks_are_ordered_by_key(pairs):
    twice = [pairs[1]._replace(key="b"), pairs[1]._replace(key="a")]
    ranking = rank_masks(twice, DATA, expects_discs, set(), most=5)
    assert [ranked.pair.key for ranked in ranking.masks] == ["a", "b"]


def test_judged_and_unusable_pairs_are_counted(pairs, tmp_path):
    (tmp_path / "image03.png").write_bytes(b"")
    judged = {content_hash(read_pair(pairs[2], DATA))}
    refused = read_pair(pairs[3], DATA).image

    def predict(pair, image):
        if image == refused:
            raise InputError("too large")
        return expects_discs(pair, image)

    ranking = rank_masks(pairs, DATA, predict, judged, most=5)
    assert [ranked.pair.key for ranked in ranking.masks] == ["12"]
    assert ranking[1:] == (1, 2, 1, 2)
