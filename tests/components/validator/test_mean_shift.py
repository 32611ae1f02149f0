import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from components.validator.mean_shift import mean_shifts
from components.validator.schema import infer_schema


def statistics(contrast, count=100, *, spread=10.0, share=0.5):
    """Statistics of images whose contrast has exactly this mean and standard deviation."""
    values = np.tile([contrast - spread, contrast + spread], count // 2)
    frame = pd.DataFrame({"image/std": values, "image/share_red": 0.3, "mask/fraction/a": share})
    return tfdv.generate_statistics_from_dataframe(frame)


TRAINING = statistics(40)
SCHEMA = infer_schema([TRAINING])


def test_a_shift_beyond_the_allowance_by_hand():
    # Allowed are 0.35 + 2 · √(1 / 100 + 1 / 400) standard deviations of 10.
    allowed = 0.35 + 2 * 0.0125**0.5
    for direction in (1, -1):
        inside = 40 + direction * (10 * allowed - 0.01)
        assert mean_shifts(statistics(inside, 400), TRAINING, SCHEMA) == {}
        outside = 40 + direction * (10 * allowed + 0.01)
        (shift,) = mean_shifts(statistics(outside, 400), TRAINING, SCHEMA).values()
        assert shift == pytest.approx((outside, 40, allowed + 0.001, allowed))


def test_the_schema_s_threshold_scales_the_allowance_or_removes_the_check():
    schema = infer_schema([TRAINING])
    (feature,) = (feature for feature in schema.feature if feature.name == "image/std")
    assert list(mean_shifts(statistics(49), TRAINING, schema)) == ["image/std"]
    feature.drift_comparator.jensen_shannon_divergence.threshold = 0.6
    assert mean_shifts(statistics(49), TRAINING, schema) == {}
    feature.ClearField("drift_comparator")
    assert mean_shifts(statistics(90), TRAINING, schema) == {}


def test_class_shares_and_constant_numbers_are_left_out():
    assert mean_shifts(statistics(40, share=0.9), TRAINING, SCHEMA) == {}
    constant = statistics(40, spread=0)
    assert mean_shifts(statistics(90), constant, infer_schema([constant])) == {}
