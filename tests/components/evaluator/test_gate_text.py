import pytest

from components.evaluator.gate_text import (
    count_text,
    metric_text,
    rule_text,
    too_few_images,
    too_few_pixels,
)
from components.evaluator.rule import Rule


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            Rule(metric="mean_iou", kind="floor", value=0.7, limit=0.6, passed=True),
            "mean IoU 0.700 is not below its floor 0.600",
        ),
        (
            Rule(metric="boundary_iou/lake", kind="floor", value=0.25, limit=0.5, passed=False),
            "lake: boundary IoU 0.250 is below its floor 0.500",
        ),
        (
            Rule(metric="iou/lake", kind="floor", value=None, limit=0.5, passed=False),
            "lake: IoU is undefined, which counts as below its floor 0.500",
        ),
        (
            Rule(metric="mean_dice", slice="a=b", kind="floor", value=1, limit=0.5, passed=True),
            "mean dice where a=b 1.000 is not below its floor 0.500",
        ),
        (
            Rule(metric="mean_iou", kind="drop", value=0.7, limit=0.1, baseline=0.75, passed=True),
            "mean IoU 0.700 falls by no more than 0.100 from the last blessed model's 0.750",
        ),
        (
            Rule(metric="iou/land", kind="drop", value=0.5, limit=0.1, baseline=0.9, passed=False),
            "land: IoU 0.500 falls by more than 0.100 from the last blessed model's 0.900",
        ),
        (
            Rule(metric="iou/a", kind="drop", value=None, limit=0.1, baseline=0.9, passed=False),
            "a: IoU is undefined, but was 0.900 for the last blessed model",
        ),
        (
            Rule(metric="iou/a", kind="drop", value=0.5, limit=0.1, passed=True),
            "a: IoU cannot fall: it is undefined for the last blessed model",
        ),
        (
            Rule(
                metric="iou/a", kind="floor", value=0.1, limit=0.5, passed=None, reason="3 pixels"
            ),
            "a: IoU was not checked: 3 pixels",
        ),
    ],
    ids=[
        *("kept", "missed", "undefined", "in a slice", "drop kept", "drop missed"),
        *("drop to undefined", "drop from undefined", "not checked"),
    ],
)
def test_a_rule_as_a_sentence(rule, text):
    assert rule_text(rule) == text


def test_metrics_have_readable_names():
    assert metric_text("mean_boundary_iou") == "mean boundary IoU"
    assert metric_text("iou/a/b") == "a/b: IoU"
    assert metric_text("frequency_weighted_iou") == "frequency-weighted IoU"


def test_why_a_rule_was_not_checked():
    assert too_few_images(1, 20) == "only 1 image (gate.min_images is 20)"
    assert too_few_pixels(12, "lake", 500) == "only 12 pixels of lake (gate.min_pixels is 500)"
    assert count_text(0, "image") == "0 images"
