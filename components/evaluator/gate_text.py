"""Readable texts about the gate: metric names, rule results and reasons for unchecked rules."""

from collections.abc import Iterable, Sequence

from components.evaluator.rule import DROP, FLOOR, Rule
from data.errors import listed
from data.printable import printable

NOTHING_CHECKED = "no rule of the gate could be checked: too few images or pixels"
"""Reason for not blessing a model if none of the gate's rules could be checked."""
_NO_INTERVAL = "the groups are too few or all alike"
_MOST_LISTED = 5


def metric_text(metric: str, class_name: str = "") -> str:
    """Returns a readable name for a metric, such as `lake: boundary IoU` or `mean IoU`.

    Args:
      metric: Name of the metric in a config, such as `boundary_iou/lake` or `mean_iou`.
      class_name: Name of the metric's class, which the name of the metric has in its safe form.
    """
    kind, _, key = metric.partition("/")
    class_name = class_name or key
    title = kind.replace("frequency_weighted", "frequency-weighted").replace("_", " ")
    title = title.replace("iou", "IoU")
    return f"{class_name}: {title}" if class_name else title


def rule_text(rule: Rule) -> str:
    """Describes the result of a rule, and how certain it is.

    Returns:
      Text such as `mean IoU 0.512 is below its floor 0.600 (sure: 95 % interval 0.471–0.553)`.
    """
    certainty = certainty_text(rule) if rule.interval and rule.passed is not None else ""
    return f"{_result_text(rule)}{f' ({certainty})' if certainty else ''}"


def _result_text(rule: Rule) -> str:
    metric = metric_text(rule.metric, rule.class_name)
    metric += f" where {printable(rule.slice)}" if rule.slice else ""
    if rule.passed is None:
        return f"{metric} was not checked: {rule.reason}"
    if rule.kind == FLOOR:
        if rule.value is None:
            return f"{metric} is undefined, which counts as below its floor {rule.limit:.3f}"
        if rule.passed:
            relation = "is not below"
        else:
            relation = "is below" if rule.value < rule.limit else "may be below"
        return f"{metric} {rule.value:.3f} {relation} its floor {rule.limit:.3f}"
    if rule.baseline is None:
        return f"{metric} cannot fall: it is undefined for the last blessed model"
    if rule.value is None:
        return f"{metric} is undefined, but was {rule.baseline:.3f} for the last blessed model"
    relation = "falls by no more than" if rule.passed else "falls by more than"
    if rule.passed and rule.value < rule.baseline - rule.limit:
        relation = "may fall by no more than"
    return (
        f"{metric} {rule.value:.3f} {relation} {rule.limit:.3f} from the last blessed model's "
        f"{rule.baseline:.3f}"
    )


def interval_text(interval: Sequence[float] | None) -> str:
    """Returns a confidence interval as text, such as `0.31–0.62`; empty if there is none."""
    return f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else ""


def measured_text(value: float, interval: Sequence[float] | None) -> str:
    """Returns a value and its interval, if there is one: `0.780 (95 % interval 0.576–0.902)`."""
    return f"{value:.3f}{f' (95 % interval {interval_text(interval)})' if interval else ''}"


def certainty_text(rule: Rule) -> str:
    """Says how certain the result of a rule is, given its confidence interval.

    Args:
      rule: A rule that was checked.

    Returns:
      A clause such as `sure: 95 % interval 0.311–0.622`, or `cannot tell: 95 % interval
      0.311–0.622; about 75 groups would settle it, the test split has 20`.
    """
    if rule.interval is None:
        return f"cannot tell: no interval, since {_NO_INTERVAL}"
    if rule.kind == DROP:
        low, high = rule.interval
        interval = f"95 % interval of the change {low:+.3f} to {high:+.3f}"
    else:
        interval = f"95 % interval {interval_text(rule.interval)}"
    if rule.groups_needed is None:
        return f"sure: {interval}"
    return (
        f"cannot tell: {interval}; about {rule.groups_needed} groups would settle it, the "
        f"test split has {rule.groups}"
    )


def without_interval_text(rules: Iterable[Rule]) -> str:
    """Says that rules were decided by the value alone.

    Args:
      rules: Rules that were checked and have no interval.

    Returns:
      A line such as `cannot tell without an interval, since the groups are too few or all alike:
      mean IoU, lake: IoU`.
    """
    metrics = dict.fromkeys(metric_text(rule.metric, rule.class_name) for rule in rules)
    return f"cannot tell without an interval, since {_NO_INTERVAL}: {listed(metrics, _MOST_LISTED)}"


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


def percent_text(share: float) -> str:
    """Returns a share as text, such as `12.3%`; a share above 0 is never `0.0%`."""
    return f"{share:.1%}" if share == 0 or share >= 0.001 else "<0.1%"
