"""Detects collapse, where the network predicts the same class for every pixel."""

from collections.abc import Mapping

COLLAPSED = (
    "The network predicts one class only. Lower training.learning_rate, raise "
    "training.warmup_epochs, or use model.decoder: unet."
)


def has_collapsed(scores: Mapping[str, float]) -> bool:
    """Returns whether the network predicts only one class although the masks contain several.

    Args:
      scores: Scores of one epoch, by name, including `val_predicted_classes` and
        `val_true_classes`, the numbers of classes in the predictions and the masks of the `val`
        split.
    """
    return scores["val_predicted_classes"] == 1 and scores["val_true_classes"] > 1
