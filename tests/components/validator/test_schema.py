import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from components.validator.schema import DRIFT, complete_schema, infer_schema
from components.validator.span_drift import span_statistics
from tests.components.validator.conftest import CLASSES, make_span


def test_ranges_are_widened_within_the_possible_values():
    statistics = span_statistics([*make_span(1, 100), *make_span(2, 5)], CLASSES, [1, 2])
    schema = {f.name: f for f in infer_schema([statistics.older]).feature}
    seen = {
        f.path.step[0]: f.num_stats
        for f in statistics.older.datasets[0].features
        if f.HasField("num_stats")
    }
    disc = schema["mask/fraction/disc"].float_domain
    width = seen["mask/fraction/disc"].max - seen["mask/fraction/disc"].min
    assert disc.max == pytest.approx(seen["mask/fraction/disc"].max + width / 2, abs=1e-3)
    assert disc.min == pytest.approx(max(seen["mask/fraction/disc"].min - width / 2, 0), abs=1e-3)
    red = schema["image/mean_red"].float_domain
    assert 0 <= red.min < seen["image/mean_red"].min
    assert seen["image/mean_red"].max < red.max <= 255
    assert schema["image/std"].float_domain.max == pytest.approx(20 + 25.5, abs=1e-3)
    assert (schema["image/height"].int_domain.min, schema["image/height"].int_domain.max) == (
        32,
        128,
    )


def test_a_schema_from_before_the_sharpness_gets_it_without_a_range():
    statistics = span_statistics([*make_span(1, 20), *make_span(2, 20)], CLASSES, [1, 2])
    inferred = infer_schema([statistics.older])
    old = schema_pb2.Schema()
    old.CopyFrom(inferred)
    del old.feature[:]
    later = ("image/sharpness", "image/share_red", "image/share_blue")
    old.feature.extend(feature for feature in inferred.feature if feature.name not in later)
    assert tfdv.validate_statistics(statistics.newest, old).anomaly_info.keys() >= {
        "image/sharpness"
    }
    complete_schema(old)
    assert not tfdv.validate_statistics(statistics.newest, old).anomaly_info
    (sharpness,) = (feature for feature in old.feature if feature.name == "image/sharpness")
    assert sharpness.drift_comparator.jensen_shannon_divergence.threshold == DRIFT
    before = inferred.SerializeToString(deterministic=True)
    complete_schema(inferred)
    assert inferred.SerializeToString(deterministic=True) == before
