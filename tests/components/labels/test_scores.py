import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.labels.scores import find_regions, proposed_mask, score_mask
from serving.doubts import Doubts


def doubts(classes, quality=0.3, confidence=0.9):
    classes = np.asarray(classes, np.uint8)
    sure = np.where(classes == 255, 0, np.float32(confidence)).astype(np.float32)
    return Doubts(quality, classes, sure)


def test_a_region_by_hand():
    found, drawn = np.full((10, 12), 255, np.uint8), np.zeros((10, 12), np.uint8)
    found[2:6, 3:8] = 2
    (region,) = find_regions(doubts(found), drawn)
    assert region[:7] == (0, 2, 2, 3, 6, 8, 20)
    assert region.confidence == pytest.approx(0.9)
    assert region.score == pytest.approx(18)
    scores = score_mask(doubts(found), drawn)
    assert scores == (0.3, pytest.approx((0.7 + (18 / 120) ** 0.5) / 2), 1, region)
    assert (proposed_mask(doubts(found), drawn) == np.where(found == 2, 2, 0)).all()


def test_regions_of_two_classes_are_apart_and_the_worst_is_first():
    found, drawn = np.full((10, 12), 255, np.uint8), np.zeros((10, 12), np.uint8)
    found[:3, :3], found[:4, 3:9] = 1, 2
    regions = find_regions(doubts(found), drawn)
    assert [(region.probable, region.pixels) for region in regions] == [(2, 24), (1, 9)]
    scores = score_mask(doubts(found), drawn)
    root = (0.9 * 24 / 120) ** 0.5  # of the worst region alone
    assert scores == (0.3, pytest.approx((0.7 + root) / 2), 2, regions[0])


def test_corners_connect_a_region():
    found = np.full((6, 6), 255, np.uint8)
    found[:3, :3], found[3:, 3:] = 1, 1
    assert [region.pixels for region in find_regions(doubts(found), 0 * found)] == [18]


def test_ignored_pixels_have_no_influence():
    found, drawn = np.ones((6, 8), np.uint8), np.zeros((6, 8), np.uint8)
    found[:, 4:], drawn[:, 4:] = 255, 255
    half = score_mask(doubts(found[:, :4]), drawn[:, :4])
    assert score_mask(doubts(found), drawn) == half
    assert half.worst.pixels == 24
    assert (proposed_mask(doubts(found), drawn)[:, 4:] == 255).all()


def test_a_mask_without_doubts():
    scores = score_mask(doubts(np.full((2, 3), 255), 0.8), np.zeros((2, 3), np.uint8))
    assert scores == (0.8, pytest.approx(0.1), 0, None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_properties_of_any_mask(data):
    shape = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    found = data.draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])))
    drawn = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 2)))
    regions = find_regions(doubts(found), drawn)
    scores = score_mask(doubts(found), drawn)
    assert sum(region.pixels for region in regions) == (found != 255).sum()
    assert 0 <= scores.suspicion <= 1
    assert scores.regions == len(regions)
    assert regions == sorted(regions, key=lambda region: -region.score)
