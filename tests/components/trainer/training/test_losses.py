import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.training.losses import SegmentationLoss, balanced_weights

TERMS = ("cross_entropy", "focal", "dice", "tversky")
TRUTH = np.array([[[0, 1, 255], [2, 255, 255]]], np.uint8)
PROBABILITIES = np.array([[[[1 / 2, 1 / 4, 1 / 4], [1 / 8, 3 / 4, 1 / 8], [1, 0, 0]],
                           [[1 / 3, 1 / 3, 1 / 3], [0, 1, 0], [0, 0, 1]]]])  # fmt: skip


def loss(terms, *, weights=(1, 1, 1), truth=TRUTH, probabilities=PROBABILITIES):
    terms = {terms: 1.0} if isinstance(terms, str) else terms
    logits = np.log(np.maximum(probabilities, 1e-9)).astype(np.float32)
    return float(SegmentationLoss(terms, weights)(truth, logits))


def test_cross_entropy_is_the_mean_over_the_labelled_pixels():
    # -log(1/2 · 3/4 · 1/3) / 3
    assert loss("cross_entropy") == pytest.approx(math.log(8) / 3, rel=1e-5)


def test_class_weights_weigh_pixels_in_a_weighted_mean():
    expected = (2 * math.log(2) + math.log(4 / 3) + 5 * math.log(3)) / 8
    assert loss("cross_entropy", weights=(2, 1, 5)) == pytest.approx(expected, rel=1e-5)


def test_focal_counts_sure_pixels_little():
    expected = (math.log(2) / 4 + math.log(4 / 3) / 16 + math.log(3) * 4 / 9) / 3
    assert loss("focal") == pytest.approx(expected, rel=1e-4)


def test_dice_is_of_the_batch_and_the_mean_of_the_classes():
    # Predicted: 1/2 + 1/8 + 1/3 = 23/24, 1/4 + 3/4 + 1/3 = 4/3, 1/4 + 1/8 + 1/3 = 17/24.
    expected = 1 - (1 / (1 + 23 / 24) + 1.5 / (1 + 4 / 3) + (2 / 3) / (1 + 17 / 24)) / 3
    assert loss("dice") == pytest.approx(expected, rel=1e-5)


def test_tversky_asks_for_few_missed_pixels_more_than_for_few_false_alarms():
    truth = np.array([[[0, 0, 1, 1]]], np.uint8)
    probabilities = np.array([[[[1, 0], [0, 1], [0, 1], [0, 1]]]], float)
    # Class 0: 1 hit, 1 missed, no false alarm. Class 1: 2 hits, none missed, 1 false alarm.
    expected = 1 - (1 / (1 + 0.7) + 2 / (2 + 0.3)) / 2
    found = loss("tversky", weights=(1, 1), truth=truth, probabilities=probabilities)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("term", ["dice", "tversky"])
def test_a_class_that_is_not_in_the_batch_does_not_count(term):
    truth = np.zeros((1, 1, 2), np.uint8)
    probabilities = np.array([[[[1, 0, 0], [1, 0, 0]]]], float)
    assert loss(term, truth=truth, probabilities=probabilities) == pytest.approx(0, abs=1e-5)


def test_a_sum_is_the_sum():
    terms = {"cross_entropy": 2.0, "dice": 0.5}
    expected = 2 * loss("cross_entropy") + loss("dice") / 2
    assert loss(terms) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("term", TERMS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_ignored_pixels_weigh_nothing_in_the_loss_nor_in_its_gradient(term, seed):
    import tensorflow as tf

    random = np.random.default_rng(seed)
    truth = random.choice([0, 1, 2, 255], (2, 3, 4)).astype(np.uint8)
    ignored = truth == 255
    one, other = random.normal(0, 3, (2, 2, 3, 4, 3)).astype(np.float32)
    other[~ignored] = one[~ignored]
    function = SegmentationLoss({term: 1.0}, (1, 2, 3))
    values, gradients = [], []
    for logits in (one, other):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            value = function(truth, variable)
        values.append(float(value))
        gradients.append(tape.gradient(value, variable).numpy())
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    np.testing.assert_allclose(gradients[0][~ignored], gradients[1][~ignored], atol=1e-6)
    assert not gradients[0][ignored].any()
    if not ignored.all():
        assert gradients[0].any()


@pytest.mark.parametrize("term", TERMS)
def test_a_batch_without_a_labelled_pixel_has_no_loss(term):
    assert loss(term, truth=np.full_like(TRUTH, 255)) == 0


def test_it_can_be_saved_and_made_again():
    made = SegmentationLoss({"dice": 1.0, "focal": 0.5}, (1, 2, 3))
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(made),
        custom_objects={"SegmentationLoss": SegmentationLoss},
    )
    logits = np.zeros((1, 2, 3, 3), np.float32)
    assert float(made(TRUTH, logits)) == float(again(TRUTH, logits))


def test_balanced_weights_by_hand():
    # 1/√f is 1/0.8, 1/0.6 and, for the class that never occurs, as for the rarest; Σ f/√f is 1.4.
    found = balanced_weights([0.64, 0.36, 0.0])
    assert found == pytest.approx([1 / 0.8 / 1.4, 1 / 0.6 / 1.4, 1 / 0.6 / 1.4])
