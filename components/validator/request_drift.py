"""Compares the images and answers of logged requests with the training data."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timezone
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validator.anomaly_text import anomaly_sentences
from components.validator.chance import allow_for_chance
from data.errors import InputError
from data.examples import features
from serving.request_log import Answer

FEWEST = 200
"""Minimum number of requests that are compared with the training data. With half as many, there are
four times as many false alarms (`benchmarks.drift`)."""
_MOST_COMPARED = 10_000  # maximum number of requests of a day that are compared
_Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList
_Row: TypeAlias = Mapping[str, int | float]


class Period(NamedTuple):
    """Whole days (UTC) with at least `FEWEST` requests together.

    Attributes:
      first, last: The first and the last day.
      requests: Number of requests with statistics.
      rows: Statistics of the requests, or of a random sample of each day.
    """

    first: date
    last: date
    requests: int
    rows: Sequence[_Row]


class RequestDrift(NamedTuple):
    """Result of the comparison.

    Attributes:
      requests: Number of requests with statistics.
      without: Number of requests without statistics, which were not compared.
      oldest: The oldest day of the log.
      newest: The newest period, which decides whether there is drift.
      sentences: A sentence for each number that has moved; empty if there is no drift.
    """

    requests: int
    without: int
    oldest: date
    newest: Period
    sentences: list[str]


def request_drift(
    answers: Iterable[Answer],
    training: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    classes: Sequence[str],
) -> RequestDrift:
    """Compares logged requests with the training data.

    The newest period decides. For each number that has moved, earlier periods are compared until
    one in which it had not, so that the sentence can say since when.

    Args:
      answers: Lines of the logs, in any order.
      training: Statistics of the training data.
      schema: The schema, whose drift comparators define the thresholds. Its ranges are not checked,
        because a single odd request is not drift.
      classes: Names of the classes, by class id.

    Raises:
      InputError: There are too few requests with statistics.
    """
    days, without = _by_day(answers)
    periods = _periods(days)
    newest = _statistics(periods[0])
    moved = _moved(newest, training, schema)
    since = dict.fromkeys(moved, f"the beginning of the log, {periods[-1].first}")
    open_names = set(moved)
    for later, period in itertools.pairwise(periods):
        if not open_names:
            break
        still = open_names & _moved(_statistics(period), training, schema).keys()
        since |= dict.fromkeys(open_names - still, f"{later.first}")
        open_names = still
    sentences = []
    for name, anomaly in sorted(moved.items()):
        one = anomalies_pb2.Anomalies()
        one.anomaly_info[name].CopyFrom(anomaly)
        lines = anomaly_sentences(
            one, schema, newest, training, "the training data", classes=classes
        )
        sentences += [f"{line}, since {since[name]}" for line in lines]
    total = sum(period.requests for period in periods)
    return RequestDrift(total, without, periods[-1].first, periods[0], sentences)


def _by_day(answers: Iterable[Answer]) -> tuple[dict[date, tuple[int, list[_Row]]], int]:
    """Returns the number of requests and a sample of rows for each day, and those left out."""
    chance = random.Random(0)  # noqa: S311 # not for secrets
    days: dict[date, tuple[int, list[_Row]]] = {}
    without = 0
    for answer in answers:
        if answer.statistics is None:
            without += 1
            continue
        day = answer.time.astimezone(timezone.utc).date()
        count, rows = days.get(day, (0, []))
        place = len(rows) if count < _MOST_COMPARED else chance.randrange(count + 1)
        if place < _MOST_COMPARED:
            rows[place : place + 1] = [_row(answer.statistics, answer.classes)]
        days[day] = (count + 1, rows)
    total = sum(count for count, _ in days.values())
    if total < FEWEST:
        left_out = f", and {without} without" if without else ""
        raise InputError(
            f"{total} requests with image statistics{left_out}: too few to compare with the "
            f"training data, which takes {FEWEST}. Models of an older unetfx return no statistics."
        )
    return days, without


def _row(statistics: Mapping[str, float], classes: Mapping[str, float]) -> _Row:
    numbers = {name: statistics[name] for name in features.IMAGE_STATISTICS if name in statistics}
    numbers |= {features.fraction(name): share for name, share in classes.items()}
    # Examples hold float32. Without the same rounding, a constant number would seem to differ.
    row: dict[str, int | float] = {
        name: float(np.float32(number)) for name, number in numbers.items()
    }
    sizes = (name for name in (features.HEIGHT, features.WIDTH) if name in row)
    return row | {name: int(row[name]) for name in sizes}


def _periods(days: Mapping[date, tuple[int, list[_Row]]]) -> list[Period]:
    """Joins days with few requests into periods, newest first."""
    periods: list[Period] = []
    for day in sorted(days, reverse=True):
        count, rows = days[day]
        if periods and periods[-1].requests < FEWEST:
            last = periods.pop()
            periods.append(Period(day, last.last, last.requests + count, [*last.rows, *rows]))
        else:
            periods.append(Period(day, day, count, rows))
    if len(periods) > 1 and periods[-1].requests < FEWEST:
        old, young = periods.pop(), periods.pop()
        rows = [*young.rows, *old.rows]
        periods.append(Period(old.first, young.last, young.requests + old.requests, rows))
    return periods


def _statistics(period: Period) -> _Statistics:
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(period.rows))


def _moved(
    requests: _Statistics, training: _Statistics, schema: schema_pb2.Schema
) -> dict[str, anomalies_pb2.AnomalyInfo]:
    """Returns the anomalies of the features whose divergence exceeds the threshold."""
    measured = {feature.path.step[0] for feature in requests.datasets[0].features}
    limits = schema_pb2.Schema()
    for feature in schema.feature:
        if feature.name in measured and feature.HasField("drift_comparator"):
            limit = limits.feature.add(name=feature.name, type=feature.type)
            limit.drift_comparator.CopyFrom(feature.drift_comparator)
    allow_for_chance(limits.feature, requests, training)
    found = tfdv.validate_statistics(requests, limits, previous_statistics=training)
    high = anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH
    return {
        name: anomaly
        for name, anomaly in found.anomaly_info.items()
        if any(reason.type == high for reason in anomaly.reason)
    }
