"""Decides after how many epochs a training phase ends."""

import math
from collections.abc import Sequence

from components.trainer.training.learning_rate import COOLDOWN


def total_epochs(
    scores: Sequence[float], *, epochs: int | None, patience: int, schedule: str
) -> int | None:
    """Returns the total number of epochs of a training phase, judged by the scores so far.

    Args:
      scores: Mean IoU on `val` after each completed epoch.
      epochs: Maximum number of epochs; None for no maximum.
      patience: Number of consecutive epochs without a better score after which the score has
        settled.
      schedule: The learning-rate schedule. With `cooldown`, the rate falls after the score has
        settled, and the phase ends when the rate is 0. With other schedules, the phase ends at
        once.

    Returns:
      The number of epochs, including the completed ones; None if there is no maximum and the score
      has not settled. Once the score has settled, later scores do not change the number.
    """
    total = _settled_after(scores, patience)
    if total is not None and schedule == "cooldown":
        total = math.ceil(total / (1 - COOLDOWN))
    return min((number for number in (total, epochs) if number is not None), default=None)


def _settled_after(scores: Sequence[float], patience: int) -> int | None:
    best = 0
    for epoch, score in enumerate(scores):
        if score > scores[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch + 1
    return None
