import tracemalloc
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from components.validator.request_drift import FEWEST, request_drift
from components.validator.schema import infer_schema
from data.errors import InputError
from data.examples.features import IMAGE_STATISTICS, fraction
from data.examples.image_statistics import ImageStatistics
from serving.request_log import Answer

DAY = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def answers(day, count, *, sharpness=1.3, red=100.0, share=0.3, statistics=True):
    """Makes the answers of a day, the given number of days after the first."""
    random = np.random.default_rng(day * 1000 + count)
    for _ in range(count):
        mean = random.normal(red, 15)
        sharp = random.normal(sharpness, 0.05)
        image = ImageStatistics(64, 48, (mean, mean + 5, mean - 5), random.normal(20, 3), sharp)
        disc = float(np.clip(random.normal(share, 0.08), 0, 1))
        yield Answer(
            time=DAY + timedelta(days=day),
            statistics=image.features() if statistics else None,
            classes={"ground": 1 - disc, "disc": disc},
            confidence=0.9,
        )


@pytest.fixture(scope="module")
def training():
    rows = [
        {name: one.statistics[name] for name in IMAGE_STATISTICS}
        | {fraction(name): share for name, share in one.classes.items()}
        for one in answers(30, 150)
    ]
    frame = pd.DataFrame(rows).astype("float32").astype({"image/height": int, "image/width": int})
    return tfdv.generate_statistics_from_dataframe(frame)


@pytest.fixture(scope="module")
def compare(training):
    schema = infer_schema([training])
    return lambda *days: request_drift(
        [one for day in days for one in day], training, schema, ["ground", "disc"]
    )


def test_requests_like_the_training_data_are_no_drift(compare):
    result = compare(answers(0, 200), answers(1, 200))
    assert not result.sentences
    assert (result.requests, result.newest.requests) == (400, 200)


def test_each_change_is_named_with_the_day_on_which_it_began(compare):
    days = [answers(0, 200), answers(1, 200)]
    result = compare(*days, answers(2, 200, red=180), answers(3, 200, red=180, sharpness=0.9))
    red, sharp = (
        next(line for line in result.sentences if line.startswith(title))
        for title in ("the brightness in red", "the sharpness")
    )
    assert "differs from the training data: mean 1" in red
    assert red.endswith("since 2026-11-22")
    assert sharp.endswith("since 2026-11-23")


def test_a_moved_mean_is_found_before_the_histograms_differ(compare):
    (sentence,) = (
        line
        for line in compare(answers(0, 200), answers(1, 200, red=112)).sentences
        if line.startswith("the brightness in red")
    )
    assert sentence.startswith("the brightness in red differs from the training data: mean 11")
    assert "standard deviations, allowed 0." in sentence
    assert sentence.endswith("since 2026-11-21")


def test_a_change_of_the_whole_log_is_told_as_such(compare):
    result = compare(answers(0, 200, share=0.7), answers(1, 200, share=0.7))
    assert any(
        line.startswith("the share of disc differs")
        and line.endswith("since the beginning of the log, 2026-11-20")
        for line in result.sentences
    )


def test_the_newest_day_decides(compare):
    assert not compare(answers(0, 200, sharpness=0.9), answers(1, 200)).sentences


def test_one_odd_request_is_no_drift(compare):
    assert not compare(answers(0, 199), answers(0, 1, red=250)).sentences


def test_days_of_few_requests_are_joined(compare):
    days = [answers(number, 80) for number in range(9)]
    result = compare(*days)
    newest = result.newest
    assert (newest.requests, newest.first.day, newest.last.day) == (240, 26, 28)
    assert (result.requests, result.oldest.day) == (720, 20)


def test_too_few_requests_are_bad_input(compare):
    with pytest.raises(InputError, match=f"{FEWEST - 1} requests with image statistics, and 9 wit"):
        compare(answers(0, FEWEST - 1), answers(1, 9, statistics=False))


def test_a_request_with_statistics_of_other_names_counts_as_one_without(compare):
    others = (one.model_copy(update={"statistics": {"other": 1.0}}) for one in answers(0, 9))
    assert compare(answers(0, 200), others)[:2] == (200, 9)


def test_the_numbers_of_many_classes_take_little_memory():
    classes = [f"class {number}" for number in range(150)]
    shares = dict(zip(classes, np.random.default_rng(0).dirichlet(np.ones(150)), strict=True))
    (one,) = answers(0, 1)
    rows = [one.statistics | {fraction(name): share for name, share in shares.items()}] * 20
    frame = pd.DataFrame(rows).astype("float32").astype({"image/height": int, "image/width": int})
    training = tfdv.generate_statistics_from_dataframe(frame)
    logged = (one.model_copy(update={"classes": dict(shares)}) for _ in range(5000))
    tracemalloc.start()
    result = request_drift(logged, training, infer_schema([training]), classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (result.requests, result.sentences) == (5000, [])
    # Each request has 159 numbers of four bytes; the table for TFDV has eight bytes for each.
    assert peak < 5000 * 159 * (4 + 8) * 4
