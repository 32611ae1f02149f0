"""Learning-rate schedules, as functions of the training step."""

import math
from collections.abc import Callable

COOLDOWN = 0.2
"""Share of a training phase over which the schedule `cooldown` lowers the rate to 0."""


def learning_rate(
    rate: float, *, schedule: str, steps: int | None, warmup_steps: int = 0
) -> Callable[[int], float]:
    """Returns a function that maps the number of a training step, from 0, to its learning rate.

    Args:
      rate: The highest learning rate of the schedule.
      schedule: `constant`; `cosine`, which lowers the rate to 0 along half a cosine after the
        warm-up (Loshchilov and Hutter 2017); or `cooldown`, which lowers it linearly to 0 over the
        last fifth of the steps (Hägele et al. 2024).
      steps: Total number of training steps, including the warm-up; None if it is not known yet. The
        rate of `cooldown` is then constant after the warm-up.
      warmup_steps: Number of steps at the start during which the rate rises linearly from 0.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        if schedule == "constant" or steps is None:
            return 1.0
        if schedule == "cooldown":
            return min(1.0, (steps - step) / max(COOLDOWN * steps, 1))
        done = (step - warmup_steps) / max(steps - warmup_steps, 1)
        return (1 + math.cos(math.pi * min(done, 1))) / 2

    return lambda step: rate * factor(step)
