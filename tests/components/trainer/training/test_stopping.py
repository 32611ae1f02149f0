import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.training.stopping import total_epochs

RISING = [0.1, 0.2, 0.3, 0.4, 0.5]
SETTLED = [0.1, 0.3, 0.2, 0.3]  # for a patience of 2: equal scores are no improvement
SCORES = st.lists(st.floats(0, 1), max_size=30)


@pytest.mark.parametrize(
    ("scores", "epochs", "schedule", "total"),
    [
        ([], 9, "constant", 9),
        ([], None, "constant", None),
        (RISING, None, "cooldown", None),
        (RISING, 5, "cosine", 5),
        (SETTLED, 9, "cosine", 4),
        (SETTLED, None, "constant", 4),
        (SETTLED, None, "cooldown", 5),
        (SETTLED, 9, "cooldown", 5),
        (SETTLED, 4, "cooldown", 4),
    ],
)
def test_the_number_of_epochs(scores, epochs, schedule, total):
    assert total_epochs(scores, epochs=epochs, patience=2, schedule=schedule) == total


@given(SCORES, SCORES, st.integers(1, 5), st.sampled_from(["constant", "cooldown"]))
def test_later_scores_change_nothing_once_the_score_has_settled(scores, later, patience, schedule):
    options = {"epochs": None, "patience": patience, "schedule": schedule}
    total = total_epochs(scores, **options)
    if total is not None:
        assert total_epochs(scores + later, **options) == total


@given(SCORES, st.integers(1, 5))
def test_the_rate_falls_over_a_fifth_of_the_epochs_after_the_score_has_settled(scores, patience):
    settled = total_epochs(scores, epochs=None, patience=patience, schedule="constant")
    total = total_epochs(scores, epochs=None, patience=patience, schedule="cooldown")
    assert total == (None if settled is None else math.ceil(settled * 5 / 4))
