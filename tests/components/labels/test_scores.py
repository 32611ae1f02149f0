import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.labels.scores import (
    doubtful_classes,
    find_regions,
    given_probability,
    score_mask,
    soft_minimum,
)


def certain(class_ids, confidence=0.9, classes=3):
    """Returns probabilities of a model that expects the given mask everywhere."""
    others = (1 - confidence) / (classes - 1)
    chosen = np.eye(classes, dtype=np.float32)[class_ids]
    return np.where(chosen == 1, confidence, others).astype(np.float32)


def test_the_probability_of_the_class_in_the_mask():
    probabilities = np.array([[[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]]], np.float32)
    mask = np.array([[0, 1, 255]], np.uint8)
    assert given_probability(probabilities, mask)[0].tolist() == pytest.approx([0.7, 0.4, 1.0])


def test_the_soft_minimum_by_hand():
    # Weights exp(2), exp(0): (0.2 · 7.389 + 0.4) / 8.389
    values = np.array([0.2, 0.4], np.float32)
    assert soft_minimum(values, temperature=0.1) == pytest.approx(0.223841, abs=1e-6)
    assert soft_minimum(values, temperature=1e-3) == pytest.approx(0.2)
    assert soft_minimum(values, temperature=1e3) == pytest.approx(0.3, abs=1e-4)


def test_a_region_by_hand():
    truth = np.zeros((10, 12), np.uint8)
    truth[2:6, 3:8] = 2  # 20 pixels that the mask lacks
    drawn = np.zeros_like(truth)
    (region,) = find_regions(certain(truth), drawn)
    assert region[:7] == (0, 2, 2, 3, 6, 8, 20)
    assert region.confidence == pytest.approx(0.9)
    assert region.score == pytest.approx(18)
    scores = score_mask(certain(truth), drawn)
    assert scores.regions == [region]
    assert scores.suspicion == pytest.approx((1 - scores.quality + (18 / 120) ** 0.5) / 2)
    assert 0.05 < scores.quality < score_mask(certain(truth), truth).quality
    doubts = doubtful_classes(certain(truth), drawn)
    assert (doubts == np.where(truth == 2, 2, 255)).all()


def test_regions_of_two_classes_are_apart_and_the_worst_is_first():
    truth = np.zeros((10, 12), np.uint8)
    truth[:3, :3], truth[:4, 3:9] = 1, 2
    regions = find_regions(certain(truth), np.zeros_like(truth))
    assert [(region.probable, region.pixels) for region in regions] == [(2, 24), (1, 9)]
    scores = score_mask(certain(truth), np.zeros_like(truth))
    root = (0.9 * 24 / 120) ** 0.5  # of the worst region alone
    assert scores.suspicion == pytest.approx((1 - scores.quality + root) / 2)


def test_corners_connect_a_region():
    truth = np.zeros((6, 6), np.uint8)
    truth[:3, :3], truth[3:, 3:] = 1, 1
    assert [region.pixels for region in find_regions(certain(truth), 0 * truth)] == [18]


def test_an_outline_that_differs_by_two_pixels_is_no_region():
    truth = np.zeros((10, 10), np.uint8)
    truth[:, 4:] = 1
    for width, found in ((1, 0), (2, 0), (3, 1)):
        drawn = np.zeros_like(truth)
        drawn[:, 4 + width :] = 1
        assert len(find_regions(certain(truth), drawn)) == found, width


@pytest.mark.parametrize("confidence", [0.55, 0.61])
def test_an_unsure_model_marks_nothing(confidence):
    truth = np.ones((5, 5), np.uint8)
    regions = find_regions(certain(truth, confidence), np.zeros_like(truth))
    assert len(regions) == (confidence > 0.6)


def test_ignored_pixels_have_no_influence():
    truth, drawn = np.ones((6, 8), np.uint8), np.zeros((6, 8), np.uint8)
    drawn[:, 4:] = 255
    whole, half = score_mask(certain(truth), drawn), score_mask(certain(truth[:, :4]), drawn[:, :4])
    assert whole == half
    assert whole.regions[0].pixels == 24


def test_masks_that_cannot_be_scored():
    probabilities = certain(np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\(3, 2\) differs from \(2, 3\)"):
        score_mask(probabilities, np.zeros((3, 2), np.uint8))
    with pytest.raises(ValueError, match="no labelled pixel"):
        score_mask(probabilities, np.full((2, 3), 255, np.uint8))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_properties_of_any_mask(data):
    classes = data.draw(st.integers(2, 4))
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    shape = (height, width)
    logits = data.draw(arrays(np.float32, (*shape, classes), elements=st.floats(-9, 9, width=32)))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    drawn = data.draw(arrays(np.uint8, shape, elements=st.sampled_from([*range(classes), 255])))
    drawn[0, 0] = 0
    scores = score_mask(probabilities, drawn)
    pixels = given_probability(probabilities, drawn)[drawn != 255]
    assert pixels.min() - 1e-6 <= scores.quality <= pixels.mean() + 1e-6
    assert 0 <= scores.suspicion <= 1
    doubts = doubtful_classes(probabilities, drawn)
    assert sum(region.pixels for region in scores.regions) == (doubts != 255).sum()
    assert not (doubts[drawn == 255] != 255).any()
    assert not ((doubts == drawn) & (drawn != 255)).any()
    assert list(scores.regions) == sorted(scores.regions, key=lambda r: -r.score)
