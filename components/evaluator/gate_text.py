"""Readable texts about the gate: metric names, rule results and reasons for unchecked rules."""

from components.evaluator.rule import FLOOR, Rule

NOTHING_CHECKED = "no rule of the gate could be checked: too few images or pixels"
"""Reason for not blessing a model if none of the gate's rules could be checked."""


def metric_text(metric: str) -> str:
    """Returns a readable name for a metric, such as `lake: boundary IoU` or `mean IoU`.

    Args:
      metric: Name of the metric in a config, such as `boundary_iou/lake` or `mean_iou`.
    """
    kind, _, class_name = metric.partition("/")
    title = kind.replace("frequency_weighted", "frequency-weighted").replace("_", " ")
    title = title.replace("iou", "IoU")
    return f"{class_name}: {title}" if class_name else title


def rule_text(rule: Rule) -> str:
    """Describes the result of a rule, such as `mean IoU 0.512 is below its floor 0.600`."""
    metric = metric_text(rule.metric) + (f" where {rule.slice}" if rule.slice else "")
    if rule.passed is None:
        return f"{metric} was not checked: {rule.reason}"
    if rule.kind == FLOOR:
        if rule.value is None:
            return f"{metric} is undefined, which counts as below its floor {rule.limit:.3f}"
        relation = "is not below" if rule.passed else "is below"
        return f"{metric} {rule.value:.3f} {relation} its floor {rule.limit:.3f}"
    if rule.baseline is None:
        return f"{metric} cannot fall: it is undefined for the last blessed model"
    if rule.value is None:
        return f"{metric} is undefined, but was {rule.baseline:.3f} for the last blessed model"
    relation = "falls by no more than" if rule.passed else "falls by more than"
    return (
        f"{metric} {rule.value:.3f} {relation} {rule.limit:.3f} from the last blessed model's "
        f"{rule.baseline:.3f}"
    )


def too_few_images(number: int, minimum: int) -> str:
    """Returns the reason for not checking a rule whose slice has too few images.

    Args:
      number: Number of images in the slice.
      minimum: Minimum number of images, `gate.min_images`.
    """
    return f"only {count_text(number, 'image')} (gate.min_images is {minimum})"


def too_few_pixels(number: int, class_name: str, minimum: int) -> str:
    """Returns the reason for not checking a rule whose class has too few pixels.

    Args:
      number: Number of ground-truth pixels of the class.
      class_name: Name of the class.
      minimum: Minimum number of pixels, `gate.min_pixels`.
    """
    return f"only {count_text(number, 'pixel')} of {class_name} (gate.min_pixels is {minimum})"


def count_text(number: int, noun: str) -> str:
    """Returns a number and a noun, in the plural if needed: `1 image`, `2 images`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
