"""Collapse: the network predicts the same class for every pixel."""

from collections.abc import Mapping

COLLAPSED = (
    "The network predicts one class only. Lower training.learning_rate, raise "
    "training.warmup_epochs, or use model.decoder: unet."
)


def has_collapsed(scores: Mapping[str, float]) -> bool:
    """Returns whether the network predicts a single class although the masks have several.

    Args:
      scores: Scores of an epoch on the `val` split: score name to value.
    """
    return scores["val_predicted_classes"] == 1 and scores["val_true_classes"] > 1
