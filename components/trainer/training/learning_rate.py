"""Learning-rate schedules: constant or cosine decay, with an optional warm-up."""

from typing import TypeAlias

import keras

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def learning_rate(rate: float, *, schedule: str, steps: int, warmup_steps: int = 0) -> LearningRate:
    """Returns a constant learning rate or a Keras learning-rate schedule.

    Args:
      rate: The constant learning rate, or the highest learning rate in the schedule.
      schedule: `constant`, or `cosine`, which decays the rate to 0 along a half cosine after the
        warm-up (Loshchilov and Hutter 2017).
      steps: Total number of training steps, including the warm-up.
      warmup_steps: Number of steps at the start during which the learning rate rises linearly from
        0 to `rate`.
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
