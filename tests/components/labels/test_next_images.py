import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.labels.next_images import choose_next, usual_distance


def at(*degrees):
    """Features on a circle; the distance of two is 2 sin(half of the angle between them)."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)


def chord(degrees):
    return 2 * np.sin(np.radians(degrees / 2))


LABELLED = at(0, 10)  # 10 degrees apart, the usual distance


def test_the_usual_distance_is_the_median_to_the_nearest_other():
    assert usual_distance(at(0, 10, 40, 100)) == pytest.approx((chord(10) + chord(30)) / 2)


def test_the_usual_distance_of_many_images_is_the_same_in_parts():
    features = np.random.default_rng(0).normal(size=(2100, 3)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    exact = features.astype(np.float64)
    squares = 2 - 2 * exact @ exact.T
    np.fill_diagonal(squares, 4)
    expected = np.median(np.sqrt(np.maximum(squares.min(1), 0)))
    assert usual_distance(features) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("labelled", [at(5), at(5, 5, 5)])
def test_without_a_usual_distance_the_unit_is_1(labelled):
    [image] = choose_next(np.ones(1), at(65), labelled, 1)
    assert image.distance == pytest.approx(chord(60))


def test_uncertainty_times_distance_decides():
    # 0.5 at distance 20 degrees, 0.2 at 40 degrees, 0.9 at a labelled image
    chosen = choose_next(np.array([0.2, 0.5, 0.9]), at(50, 30, 10), LABELLED, 1)
    assert [image.number for image in chosen] == [1]
    assert chosen[0].distance == pytest.approx(chord(20) / chord(10), rel=1e-3)


def test_a_near_copy_of_a_chosen_image_is_not_chosen_next():
    chosen = choose_next(np.array([0.9, 0.9, 0.3]), at(60, 61, -30), LABELLED, 3)
    assert [image.number for image in chosen] == [1, 2, 0]
    expected = [chord(51), chord(30), chord(1)] / chord(10)
    assert [image.distance for image in chosen] == pytest.approx(expected.tolist(), rel=1e-2)


@settings(max_examples=30)
@given(
    st.integers(1, 30),
    st.sampled_from([1, 2, 30, 1100]),
    st.integers(0, 40),
    st.integers(0, 2**32 - 1),
)
def test_each_choice_is_the_best_of_those_left(count, labels, most, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(count + labels, 3)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    candidates, labelled = features[:count], features[count:]
    uncertainty = random.random(count)
    chosen = choose_next(uncertainty, candidates, labelled, most)
    assert len({image.number for image in chosen}) == len(chosen) == min(most, count)
    known = labelled.astype(np.float64)
    unit = usual_distance(labelled)
    for position, (number, distance) in enumerate(chosen):
        gaps = np.linalg.norm(candidates[:, None].astype(np.float64) - known, axis=-1).min(1) / unit
        left = np.setdiff1d(range(count), [image.number for image in chosen[:position]])
        assert gaps[number] == pytest.approx(distance, abs=2e-3 / unit)
        best = (uncertainty * gaps)[left].max()
        assert uncertainty[number] * gaps[number] >= best - 4e-3 / unit
        known = np.concatenate([known, candidates[number : number + 1]])
