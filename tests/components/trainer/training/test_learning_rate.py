import math

import pytest

from components.trainer.training.learning_rate import learning_rate


@pytest.mark.parametrize(
    ("schedule", "warmup_steps", "rates"),
    [
        ("cosine", 0, [0.05 * (1 + math.cos(math.pi * step / 8)) for step in range(9)]),
        ("constant", 4, [0, 0.025, 0.05, 0.075, *[0.1] * 5]),
        ("cooldown", 2, [0, 0.05, *[0.1] * 5, 0.0625, 0]),
        (
            "cosine",
            4,
            [0, 0.025, 0.05, 0.075]
            + [0.05 * (1 + math.cos(math.pi * step / 4)) for step in range(5)],
        ),
    ],
    ids=["cosine", "constant after warm-up", "cooldown after warm-up", "cosine after warm-up"],
)
def test_the_rate_at_each_step(schedule, warmup_steps, rates):
    rate = learning_rate(0.1, schedule=schedule, steps=8, warmup_steps=warmup_steps)
    assert [rate(step) for step in range(9)] == pytest.approx(rates)


def test_the_cooldown_begins_when_the_number_of_steps_is_known():
    unknown = learning_rate(0.1, schedule="cooldown", steps=None)
    assert unknown(0) == unknown(10_000) == 0.1
    known = learning_rate(0.1, schedule="cooldown", steps=10_000)
    assert [known(step) for step in (8000, 9000, 10_000)] == pytest.approx([0.1, 0.05, 0])
