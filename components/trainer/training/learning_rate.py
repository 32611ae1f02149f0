"""The schedule of the learning rate: constant or cosine decay, with an optional warm-up."""

from typing import TypeAlias

import keras

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def learning_rate(rate: float, *, schedule: str, steps: int, warmup_steps: int = 0) -> LearningRate:
    """Returns a constant learning rate, or a schedule of the learning rate by training step.

    Args:
      rate: The constant learning rate, or the highest rate of the schedule.
      schedule: `constant`, or `cosine`, which after the warm-up decays the rate to 0 along half a
        cosine (Loshchilov and Hutter 2017).
      steps: Total number of training steps, including the warm-up.
      warmup_steps: Number of steps at the start in which the learning rate rises linearly from 0.
    """
    if schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else rate,
            max(steps - warmup_steps, 1),
            warmup_target=rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    if warmup_steps:
        return keras.optimizers.schedules.PolynomialDecay(0.0, warmup_steps, rate)
    return rate
