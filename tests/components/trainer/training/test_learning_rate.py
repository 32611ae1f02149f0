import math

import pytest

from components.trainer.training.learning_rate import learning_rate


@pytest.mark.parametrize(
    ("schedule", "warmup_steps", "rates"),
    [
        ("cosine", 0, [0.05 * (1 + math.cos(math.pi * step / 8)) for step in range(9)]),
        ("constant", 4, [0, 0.025, 0.05, 0.075, *[0.1] * 5]),
        (
            "cosine",
            4,
            [0, 0.025, 0.05, 0.075]
            + [0.05 * (1 + math.cos(math.pi * step / 4)) for step in range(5)],
        ),
    ],
    ids=["cosine", "constant after warm-up", "cosine after warm-up"],
)
def test_the_rate_at_each_step(schedule, warmup_steps, rates):
    rate = learning_rate(0.1, schedule=schedule, steps=8, warmup_steps=warmup_steps)
    assert [float(rate(step)) for step in range(9)] == pytest.approx(rates, abs=1e-6)


def test_a_constant_rate_is_a_number():
    assert learning_rate(0.1, schedule="constant", steps=8) == 0.1
