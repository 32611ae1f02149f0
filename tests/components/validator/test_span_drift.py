import numpy as np
import pytest

from components.validator.anomaly_text import in_words
from components.validator.schema import infer_schema
from components.validator.span_drift import drift, span_statistics
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.sources.pairs import Pair

CLASSES = ["ground", "disc"]


def span(number, count, *, brightness=100.0, share=0.3, height=64, source="discs"):
    random = np.random.default_rng(1000 * number + count)
    records = []
    for i in range(count):
        mean = float(random.normal(brightness, 15))
        disc = float(np.clip(random.normal(share, 0.08), 0, 1))
        pair = Pair(f"span-{number}/{i}", "", "", f"{number}/{i}", source, number, "train")
        means = (mean, mean + 5, mean - 5)
        facts = PairStatistics("", "", height, 48, means, 20.0, (1 - disc, disc), 1.0, None)
        records.append(Record(pair, facts, None, ()))
    return records


def anomalies(*spans):
    """What is said of the last span, by the schema of the others."""
    statistics = span_statistics([record for one in spans for record in one], CLASSES)
    schema = infer_schema([statistics.older])
    return in_words(drift(statistics, schema), schema, statistics.newest, statistics.older)


@pytest.mark.parametrize("count", [8, 12, 30, 60, 200])
def test_a_span_of_the_same_kind_is_no_drift_however_small(count):
    for number in range(2, 6):
        lines = anomalies(span(1, count), span(number, count))
        assert not [line for line in lines if "older spans" in line]


@pytest.mark.parametrize("count", [30, 60])
@pytest.mark.parametrize(
    ("moved", "told"),
    [
        ({"brightness": 170}, "the brightness in red is not what it was in the older spans"),
        ({"share": 0.65}, "the share of disc is not what it was in the older spans: mean 0.6"),
    ],
)
def test_a_span_that_moved_is_told(count, moved, told):
    lines = anomalies(span(1, count), span(2, count), span(3, count, **moved))
    assert any(line.startswith(told) for line in lines), lines


def test_values_outside_the_schemas_ranges_are_told_with_both_numbers():
    lines = anomalies(span(1, 40), span(2, 40, height=200, source="other"))
    assert "the image height goes up to 200; the schema allows 128 at most" in lines
    assert any("the source has values that are not in the schema: other" in x for x in lines)
    lines = anomalies(span(1, 40), span(2, 40, height=20))
    assert "the image height goes down to 20; the schema allows 32 at least" in lines


def test_one_span_has_nothing_to_be_compared_with():
    assert span_statistics(span(1, 5), CLASSES) is None


def test_pairs_that_cannot_be_used_are_left_out():
    bad = [record._replace(statistics=None) for record in span(9, 3)]
    assert span_statistics([*span(1, 5), *bad], CLASSES) is None


def test_ranges_have_room_and_stay_within_what_is_possible():
    statistics = span_statistics([*span(1, 100), *span(2, 5)], CLASSES)
    schema = {f.name: f for f in infer_schema([statistics.older]).feature}
    seen = {
        f.path.step[0]: f.num_stats
        for f in statistics.older.datasets[0].features
        if f.HasField("num_stats")
    }
    disc = schema["mask/fraction/disc"].float_domain
    wide = seen["mask/fraction/disc"].max - seen["mask/fraction/disc"].min
    assert disc.max == pytest.approx(seen["mask/fraction/disc"].max + wide / 2, abs=1e-3)
    assert disc.min == pytest.approx(max(seen["mask/fraction/disc"].min - wide / 2, 0), abs=1e-3)
    red = schema["image/mean_red"].float_domain
    assert 0 <= red.min < seen["image/mean_red"].min
    assert seen["image/mean_red"].max < red.max <= 255
    assert schema["image/std"].float_domain.max == pytest.approx(20 + 25.5, abs=1e-3)
    assert (schema["image/height"].int_domain.min, schema["image/height"].int_domain.max) == (
        32,
        128,
    )
