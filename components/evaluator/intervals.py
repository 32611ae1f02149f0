"""Confidence intervals of metrics, from the pixel counts of single images.

An interval is computed so that, in 95 % of cases, it contains the value that the metric would have
on very many groups of the same kind. Images of a group are alike, so groups are the independent
units. The standard error comes from the jackknife, which leaves out one group at a time (Efron and
Tibshirani 1993, chapter 11). The quantiles come from Student's t distribution; its degrees of
freedom are the number of groups that contain the class, minus 1. Metrics are transformed to
log-odds, so intervals stay within 0..1.

The interval of a mean over the classes is composed of those of the classes by MOVER, the method of
variance estimates recovery (Zou and Donner 2008, https://doi.org/10.1002/sim.2982): a rare class,
which is in few groups, has a wide and lopsided interval, which the jackknife of the mean itself
makes too narrow. A class in too few groups for an interval may have any value, so all possible
values count as its interval there.

`python -m benchmarks.gate` measures how often intervals contain the true value.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel
from scipy import stats

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.metrics import (
    Areas,
    ClassCounts,
    Counts,
    class_metrics,
    metric_names,
    metric_values,
)
from components.evaluator.slice_names import OVERALL
from components.metric_names import of_class
from data.files.paths import join
from data.files.reading import read_text
from serving.model.pixel_counts import CALIBRATION_BINS

INTERVALS_FILE = "intervals.json"
"""Name of the file in the Evaluator's `evaluation` artifact that holds `Intervals` as JSON."""
LEVEL = 0.95
FEWEST_GROUPS = 5
"""Minimum number of groups that must contain a class for an interval of its metrics."""
_CHUNK = 500_000  # numbers in a block of counts
_SMALLEST = 1e-6  # log-odds are computed for values from here to 1 minus this
_Numbers = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

Interval = tuple[float, float]
"""Lower and upper end of a 95 % confidence interval."""


class Intervals(BaseModel):
    """Confidence intervals of all metrics.

    Attributes:
      groups: Number of groups in the `test` split.
      metrics: Intervals of the candidate's metrics on the whole split, by metric name. Metrics
        of classes in too few groups have no interval and are left out; so are means over the
        classes if no class has an interval.
      differences: Intervals of the candidate's metric minus the baseline's on the whole split, by
        metric name; empty without a baseline.
      slices: Intervals of the candidate's metrics on each slice, by slice name.
    """

    groups: int = 0
    metrics: dict[str, Interval] = {}
    differences: dict[str, Interval] = {}
    slices: dict[str, dict[str, Interval]] = {}


class _Sparse(NamedTuple):
    """All counts of an image in one row, without their zeros."""

    places: npt.NDArray[np.int32]  # indices in the row
    counts: _Numbers


class _Image(NamedTuple):
    group: str
    candidate: _Sparse
    baseline: _Sparse | None


def measure_intervals(images: Iterable[EvaluatedImage], classes: Sequence[str]) -> Intervals:
    """Computes the confidence intervals on the whole split and on each slice.

    Args:
      images: The evaluated images.
      classes: Names of the C classes, by class id.
    """
    by_slice: dict[str, list[_Image]] = {OVERALL: []}
    for image in images:
        baseline = None if image.baseline is None else _sparse(image.baseline)
        compact = _Image(image.group, _sparse(image.candidate), baseline)
        for name in (OVERALL, *image.slices):
            by_slice.setdefault(name, []).append(compact)
    whole = by_slice.pop(OVERALL)
    candidate = _Jackknife(whole, classes, "candidate")
    differences: dict[str, Interval] = {}
    if whole and whole[0].baseline is not None:
        before = _Jackknife(whole, classes, "baseline")
        differences = candidate.intervals_of_difference(before)
    return Intervals(
        groups=candidate.groups,
        metrics=candidate.intervals(),
        differences=differences,
        slices={
            name: _Jackknife(some, classes, "candidate").intervals()
            for name, some in by_slice.items()
        },
    )


def read_intervals(evaluation: str) -> Intervals:
    """Reads the intervals from the Evaluator's output.

    Args:
      evaluation: Path of the Evaluator's `evaluation` artifact.
    """
    return Intervals.model_validate_json(read_text(join(evaluation, INTERVALS_FILE)))


class _Jackknife:
    """Values of all metrics on all images, and without each of the groups."""

    def __init__(self, images: Sequence[_Image], classes: Sequence[str], model: str) -> None:
        self._names, size = metric_names(classes), len(classes)
        length = 5 * size + 3 * CALIBRATION_BINS
        by_group: dict[str, list[_Sparse]] = {}
        for image in images:
            by_group.setdefault(image.group, []).append(getattr(image, model))
        self.groups = len(by_group)
        total = _sum((getattr(image, model) for image in images), length)
        present, left_out = np.zeros(size, np.int64), [np.empty((0, len(self._names)))]
        for block in _blocks(by_group.values(), length):
            present += (_counts(block, size).areas.truth > 0).sum(0)
            left_out.append(metric_values(_counts(total - block, size)))
        self._all = metric_values(_counts(total, size))
        self._left_out = np.concatenate(left_out)
        # For each metric of the classes, the places of its values, by class id.
        places = {name: place for place, name in enumerate(self._names)}
        parts = {
            metric: [places[of_class(metric, name)] for name in classes]
            for metric in class_metrics()
        }
        self._freedom = np.full(len(self._names), self.groups - 1)
        for values in parts.values():
            self._freedom[values] = present - 1
        self._parts = {
            places[mean]: values
            for metric, values in parts.items()
            if (mean := f"mean_{metric}") in places
        }

    def intervals(self) -> dict[str, Interval]:
        """Returns the interval of each metric that has one."""
        left_out = _log_odds(self._left_out)
        ends = 1 / (1 + np.exp(-_ends(_log_odds(self._all), left_out, self._freedom)))
        return self._by_name(self._all, left_out, ends, ~np.isnan(self._all), (0.0, 1.0))

    def intervals_of_difference(self, other: "_Jackknife") -> dict[str, Interval]:
        """Returns the interval of each metric minus that of another model on the same images."""
        differences, left_out = self._all - other._all, self._left_out - other._left_out
        ends = _ends(differences, left_out, self._freedom)
        defined = ~(np.isnan(self._all) & np.isnan(other._all))
        return self._by_name(differences, left_out, ends, defined, (-1.0, 1.0))

    def _by_name(
        self,
        values: _Numbers,
        left_out: _Numbers,
        ends: _Numbers,
        defined: npt.NDArray[np.bool_],
        possible: Interval,
    ) -> dict[str, Interval]:
        for mean, parts in self._parts.items():
            parts = [part for part in parts if defined[part]]
            unknown = np.isnan(ends[:, parts])
            if not unknown.all():
                of_classes = np.where(unknown, np.array(possible)[:, None], ends[:, parts])
                reach = _reach_of_mean(values[parts], left_out[:, parts], of_classes)
                ends[:, mean] = values[mean] + reach
        return {
            name: (low, high)
            for name, (low, high) in zip(self._names, ends.T.tolist(), strict=True)
            if low < high  # false if an end is NaN, or if all groups agree
        }


def _ends(value: _Numbers, left_out: _Numbers, freedom: _Integers) -> _Numbers:
    """Returns the ends of the intervals, float64 [2, metrics]; NaN with too few groups."""
    groups = len(left_out)
    if not groups:
        return np.full((2, len(value)), np.nan)
    degrees = np.where(freedom >= FEWEST_GROUPS - 1, freedom, np.nan)
    deviations = left_out - left_out.mean(axis=0)
    error = np.sqrt((groups - 1) / groups * (deviations**2).sum(axis=0))
    reach = stats.t.ppf((1 + LEVEL) / 2, degrees) * error
    return np.stack([value - reach, value + reach])


def _reach_of_mean(values: _Numbers, left_out: _Numbers, ends: _Numbers) -> _Numbers:
    """Returns the ends of the interval of a mean minus the mean, from the intervals of its parts.

    Args:
      values: Values of the parts, float64 [parts]; NaN where one of two models has no value.
      left_out: Values without each group, float64 [groups, parts], for the correlations.
        A part that is undefined without some group is not correlated with the others.
      ends: Ends of the intervals of the parts, float64 [2, parts].

    Returns:
      float64 [2].
    """
    deviations = np.nan_to_num(left_out - left_out.mean(axis=0))
    lengths = np.linalg.norm(deviations, axis=0)
    unit = np.divide(deviations, lengths, out=np.zeros_like(deviations), where=lengths > 0)
    correlations = unit.T @ unit
    np.fill_diagonal(correlations, 1)
    # Both ends are equal if all groups agree; log-odds round them.
    distances = np.where(ends[0] == ends[1], 0, ends - np.nan_to_num(values))
    reach = [math.sqrt(max(part @ correlations @ part, 0)) for part in distances]
    return np.array([-reach[0], reach[1]]) / len(values)


def _counts(rows: _Numbers, size: int) -> ClassCounts:
    """Returns rows of all counts, float64 [..., counts], as counts with these leading axes."""
    cuts = [size, 2 * size, 3 * size, 5 * size]
    hits, truth, prediction, near, bins = np.split(rows, cuts, axis=-1)
    boundary = near.reshape(*rows.shape[:-1], size, 2).astype(np.int64)
    calibration = bins.reshape(*rows.shape[:-1], CALIBRATION_BINS, 3)
    areas = Areas(*(part.astype(np.int64) for part in (hits, truth, prediction)))
    # The counts without the temperature are not kept for each image, so their metric is NaN here.
    return ClassCounts(0, areas, boundary, calibration, np.zeros_like(calibration))


def _log_odds(value: _Numbers) -> _Numbers:
    clipped = np.clip(value, _SMALLEST, 1 - _SMALLEST)
    return np.log(clipped / (1 - clipped))


def _sparse(counts: Counts) -> _Sparse:
    parts = (*counts.by_class().areas, counts.boundary, counts.calibration)
    row = np.concatenate([part.ravel() for part in parts]).astype(float)
    places = np.flatnonzero(row)
    return _Sparse(places.astype(np.int32), row[places])


def _sum(parts: Iterable[_Sparse], length: int) -> _Numbers:
    row = np.zeros(length)
    for part in parts:
        row[part.places] += part.counts
    return row


def _blocks(groups: Iterable[Sequence[_Sparse]], length: int) -> Iterator[_Numbers]:
    """Yields the counts of groups, float64 [some groups, counts]."""
    rows = (_sum(parts, length) for parts in groups)
    while block := list(itertools.islice(rows, max(1, _CHUNK // length))):
        yield np.stack(block)
