import pytest

from components.validator import span_drift
from components.validator.span_drift import span_statistics
from tests.components.validator.conftest import CLASSES, make_span, sentences


@pytest.mark.parametrize("count", [8, 12, 30, 60, 200])
def test_a_span_of_the_same_distribution_is_no_drift_however_small(count):
    for number in range(2, 6):
        lines = sentences(make_span(1, count), make_span(number, count))
        assert not [line for line in lines if "older spans" in line]


@pytest.mark.parametrize("count", [30, 60])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"brightness": 170}, "the brightness in red differs from the older spans"),
        ({"share": 0.65}, "the share of disc differs from the older spans: mean 0.6"),
    ],
)
def test_a_different_span_is_reported(count, change, sentence):
    lines = sentences(make_span(1, count), make_span(2, count), make_span(3, count, **change))
    assert any(line.startswith(sentence) for line in lines), lines


def test_one_span_alone_is_not_compared():
    assert span_statistics(make_span(1, 5), CLASSES, [1]) is None


def test_pairs_that_cannot_be_used_are_left_out():
    bad = [record._replace(statistics=None) for record in make_span(2, 3)]
    records = [*make_span(1, 5), *make_span(2, 4), *bad]
    statistics = span_statistics(records, CLASSES, [1, 2])
    assert statistics.newest.datasets[0].num_examples == 4
    assert statistics.older.datasets[0].num_examples == 5


def test_of_many_pairs_a_sample_is_compared_that_does_not_depend_on_their_order(monkeypatch):
    monkeypatch.setattr(span_drift, "_MOST_COMPARED", 10)
    records = [*make_span(1, 50), *make_span(2, 30)]
    statistics = span_statistics(records, CLASSES, [1, 2])
    assert statistics == span_statistics(reversed(records), CLASSES, [1, 2])
    assert statistics.newest.datasets[0].num_examples == 10
    assert statistics.older.datasets[0].num_examples == 10
