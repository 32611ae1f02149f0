import pytest
from pydantic import ValidationError

from components.evaluator.config import GateConfig


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({}, "no floor, so any model would pass"),
        ({"max_drop": 0.1}, "no floor"),
        ({"slices": {"image/source=a": {"mean_iou": 0.5}}}, "no floor"),
        ({"mean_iou": 1.5}, "less than or equal to 1"),
        ({"class_iou": {"lake": -0.1}}, "greater than or equal to 0"),
        ({"mean_iuo": 0.5}, "Extra inputs"),
        ({"mean_iou": 0.5, "min_images": 0}, "greater than or equal to 1"),
        ({"mean_iou": 0.5, "on_broken_baseline": "panic"}, "'older', 'floors' or 'fail'"),
    ],
)
def test_a_gate_without_a_floor_or_with_impossible_values_is_refused(gate, message):
    with pytest.raises(ValidationError, match=message):
        GateConfig(**gate)
