"""Compares the images and answers of logged requests with the training data."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timezone
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validator.anomaly_text import anomaly_sentences, feature_titles
from components.validator.chance import allow_for_chance
from components.validator.mean_shift import mean_shifts
from data.errors import InputError
from data.examples import features
from serving.request_log import Answer

FEWEST = 200
"""Minimum number of requests that are compared with the training data. With half as many, there are
four times as many false alarms (`benchmarks.drift`)."""
_MOST_COMPARED = 10_000  # maximum number of requests of a day that are compared
_Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList
_Row: TypeAlias = npt.NDArray[np.float32]  # the numbers of a request, in the order of `_columns`
_MOST_KEPT = 1000  # maximum number of kept images of a day among which examples are chosen
_MOST_SHOWN = 3  # maximum number of kept images for a number that has moved


class Period(NamedTuple):
    """Whole days (UTC) with at least `FEWEST` requests together.

    Attributes:
      first, last: The first and the last day.
      requests: Number of requests with statistics.
      rows: Statistics of the requests, or of a random sample of each day.
      kept: Statistics of the requests of which the log keeps the image, by the path of the image.
    """

    first: date
    last: date
    requests: int
    rows: list[_Row]
    kept: dict[str, _Row]


class RequestDrift(NamedTuple):
    """Result of the comparison.

    Attributes:
      requests: Number of requests with statistics.
      without: Number of requests without statistics, which were not compared.
      oldest: The oldest day of the log.
      newest: The newest period, which decides whether there is drift.
      sentences: A sentence for each number that has moved; empty if there is no drift.
      images: Paths of images of the newest period that show it, for each sentence: of those that
        the log keeps, the ones with the highest or the lowest numbers.
    """

    requests: int
    without: int
    oldest: date
    newest: Period
    sentences: list[str]
    images: list[list[str]]


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
    days, without = _by_day(answers, classes)
    periods = _periods(days)
    columns = _columns(classes)
    newest = _statistics(periods[0], columns)
    moved = _moved(newest, training, schema, classes)
    since = dict.fromkeys(moved, f"the beginning of the log, {periods[-1].first}")
    open_names = set(moved)
    for later, period in itertools.pairwise(periods):
        if not open_names:
            break
        still = open_names & _moved(_statistics(period, columns), training, schema, classes).keys()
        since |= dict.fromkeys(open_names - still, f"{later.first}")
        open_names = still
    sentences = [f"{line}, since {since[name]}" for name, line in sorted(moved.items())]
    images = [_examples(name, columns.index(name), periods[0], training) for name in sorted(moved)]
    total = sum(period.requests for period in periods)
    return RequestDrift(total, without, periods[-1].first, periods[0], sentences, images)


def _by_day(answers: Iterable[Answer], classes: Sequence[str]) -> tuple[dict[date, Period], int]:
    """Returns the requests of each day, and the number of those without statistics."""
    chance = random.Random(0)  # noqa: S311 # not for secrets
    days: dict[date, Period] = {}
    without = 0
    for answer in answers:
        statistics = answer.statistics or {}
        if not any(name in statistics for name in features.IMAGE_STATISTICS):
            without += 1
            continue
        day = answer.time.astimezone(timezone.utc).date()
        count, rows, kept = days[day][2:] if day in days else (0, [], {})
        place = len(rows) if count < _MOST_COMPARED else chance.randrange(count + 1)
        row = _row(statistics, answer.classes, classes)
        if place < _MOST_COMPARED:
            rows[place : place + 1] = [row]
        if answer.kept is not None and len(kept) < _MOST_KEPT:
            kept[answer.kept] = row
        days[day] = Period(day, day, count + 1, rows, kept)
    total = sum(period.requests for period in days.values())
    if total < FEWEST:
        left_out = f", and {without} without" if without else ""
        raise InputError(
            f"{total} requests with image statistics{left_out}: too few to compare with the "
            f"training data, which takes {FEWEST}. Models of an older unetfx return no statistics."
        )
    return days, without


def _columns(classes: Sequence[str]) -> list[str]:
    return [*features.IMAGE_STATISTICS, *map(features.fraction, classes)]


def _row(
    statistics: Mapping[str, float], shares: Mapping[str, float], classes: Sequence[str]
) -> _Row:
    """Returns the numbers of a request; NaN for those that the log lacks.

    They are rounded as in the examples, because otherwise a constant number would seem to differ.
    With many classes, a dictionary for each request would take thirty times as much memory.
    """
    numbers = [statistics.get(name, np.nan) for name in features.IMAGE_STATISTICS]
    return np.array([*numbers, *(shares.get(name, np.nan) for name in classes)], np.float32)


def _periods(days: Mapping[date, Period]) -> list[Period]:
    """Joins days with few requests into periods, newest first."""
    periods: list[Period] = []
    for day in sorted(days, reverse=True):
        if periods and periods[-1].requests < FEWEST:
            periods.append(_joined(days[day], periods.pop()))
        else:
            periods.append(days[day])
    if len(periods) > 1 and periods[-1].requests < FEWEST:
        old, young = periods.pop(), periods.pop()
        periods.append(_joined(old, young))
    return periods


def _joined(old: Period, young: Period) -> Period:
    requests = old.requests + young.requests
    rows, kept = [*young.rows, *old.rows], {**young.kept, **old.kept}
    return Period(old.first, young.last, requests, rows, kept)


def _examples(name: str, column: int, period: Period, training: _Statistics) -> list[str]:
    """Returns the kept images that differ most from the training data, in the direction of all."""
    (before,) = (
        feature.num_stats.mean
        for feature in training.datasets[0].features
        if feature.path.step[0] == name
    )
    above = float(np.nanmean([row[column] for row in period.rows])) > before
    values = {
        path: float(row[column]) for path, row in period.kept.items() if not np.isnan(row[column])
    }
    return sorted(values, key=values.__getitem__, reverse=above)[:_MOST_SHOWN]


def _statistics(period: Period, columns: Sequence[str]) -> _Statistics:
    frame = pd.DataFrame(np.array(period.rows, np.float64), columns=columns)
    frame = frame.dropna(axis="columns", how="all")
    sizes = [name for name in (features.HEIGHT, features.WIDTH) if name in frame]
    whole = [name for name in sizes if frame[name].notna().all()]
    return tfdv.generate_statistics_from_dataframe(frame.astype(dict.fromkeys(whole, np.int64)))


def _moved(
    requests: _Statistics,
    training: _Statistics,
    schema: schema_pb2.Schema,
    classes: Sequence[str],
) -> dict[str, str]:
    """Returns a sentence for each feature whose divergence or whose mean exceeds its limit."""
    measured = {feature.path.step[0] for feature in requests.datasets[0].features}
    limits = schema_pb2.Schema()
    for feature in schema.feature:
        if feature.name in measured and feature.HasField("drift_comparator"):
            limit = limits.feature.add(name=feature.name, type=feature.type)
            limit.drift_comparator.CopyFrom(feature.drift_comparator)
    allow_for_chance(limits.feature, requests, training)
    found = tfdv.validate_statistics(requests, limits, previous_statistics=training)
    high = anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH
    titles = feature_titles(classes)
    moved = {
        name: f"{titles.get(name, name)} differs from the training data: mean {shift.mean:.4g} "
        f"against {shift.before:.4g} (by {shift.shift:.2f} standard deviations, allowed "
        f"{shift.allowed:.2f})"
        for name, shift in mean_shifts(requests, training, schema).items()
    }
    for name, anomaly in found.anomaly_info.items():
        if any(reason.type == high for reason in anomaly.reason):
            one = anomalies_pb2.Anomalies()
            one.anomaly_info[name].CopyFrom(anomaly)
            lines = anomaly_sentences(
                one, schema, requests, training, "the training data", classes=classes
            )
            if lines:
                moved[name] = lines[0]
    return moved
