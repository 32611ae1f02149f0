"""The learning-rate schedule."""

from typing import TypeAlias

import keras

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def learning_rate(rate: float, *, schedule: str, steps: int, warmup_steps: int = 0) -> LearningRate:
    """Returns the learning rate, constant or by step.

    Args:
      rate: The highest learning rate.
      schedule: `constant`, or `cosine`: falls to 0 over all steps, along half a cosine (Loshchilov
        and Hutter 2017).
      steps: Number of all training steps, the warm-up included.
      warmup_steps: Number of steps in which the learning rate first rises linearly from 0.
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
