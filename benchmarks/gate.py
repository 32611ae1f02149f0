"""Measures how far the gate's confidence intervals and decisions can be trusted.

    python -m benchmarks.gate [--data-sets 1000]

Data sets are simulated, so the true metrics are known: groups differ in size, in the shares of
their classes and in how well the model does. The classes are ocean, land and lake; only a third of
the groups contain lakes, and of their pixels 2.6 % on average. For each number of groups, the
output has the share of 95 % confidence intervals that contain the true value, and in brackets the
share of data sets that have an interval; then how often the gate blocks a model whose true value is
0.03 above a floor, and passes one whose true value is 0.03 below it, by the estimate and with
`gate.decide: sure`. Finally, the time and memory of the intervals for 10,000 images of 20 classes.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence

import numpy as np

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.intervals import Intervals, measure_intervals
from components.evaluator.metrics import Counts, compute
from serving.model.pixel_counts import CALIBRATION_BINS

_CLASSES = ["ocean", "land", "lake"]
_METRICS = [
    "iou/ocean",
    "iou/land",
    "iou/lake",
    "mean_iou",
    "boundary_iou/land",
    "calibration_error",
]
_GROUPS = (8, 12, 20, 40, 80, 200)
_MARGIN = 0.03
_TRUTH = 400_000  # groups from which the true metrics are computed
_BINS = np.linspace(0.5, 1, 6)  # confidences of the simulated model


def main() -> None:
    """Simulates the data sets, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=1000)
    arguments = parser.parse_args()
    cost = _cost()  # first, since the simulation of the true values takes more memory
    true = _metrics(_simulate(np.random.default_rng(0), _TRUTH))
    print("true values: " + ", ".join(f"{name} {true[name]:.3f}" for name in _METRICS))
    print(f"\n{'coverage':10}" + "".join(f"{name:>20}" for name in _METRICS))
    rows = {groups: _measure(groups, arguments.data_sets) for groups in _GROUPS}
    for groups, results in rows.items():
        cells = (_coverage(results, name, true[name]) for name in _METRICS)
        print(f"{groups:3} groups{''.join(f'{cell:>20}' for cell in cells)}")
    print(f"\n{'mean IoU':12}{'blocks a good model':>34}{'passes a bad model':>34}")
    print(f"{'':12}" + 2 * f"{'by the estimate':>20}{'sure':>14}")
    for groups, results in rows.items():
        good, bad = true["mean_iou"] - _MARGIN, true["mean_iou"] + _MARGIN
        shares = [
            np.mean([_passes(result, floor, sure=sure) for result in results])
            for floor in (good, bad)
            for sure in (False, True)
        ]
        print(
            f"{groups:3} groups  {1 - shares[0]:20.3f}{1 - shares[1]:14.3f}{shares[2]:20.3f}"
            f"{shares[3]:14.3f}"
        )
    print(cost)


def _simulate(random: np.random.Generator, groups: int) -> Counts:
    """Returns the counts of each group, whose arrays have the leading axis [groups]."""
    pixels = np.exp(random.normal(9.5, 0.6, groups))
    shares = random.dirichlet([3, 2], groups)
    lakes = np.where(random.random(groups) < 1 / 3, random.beta(0.8, 30, groups), 0)
    truth = np.column_stack([shares * (1 - lakes)[:, None], lakes]) * pixels[:, None]
    shapes = ((30.0, 1.0), (20.0, 1.5), (2.0, 1.5))
    right = np.column_stack([random.beta(a, b, groups) for a, b in shapes])
    # Most errors confuse land with ocean, and lakes with land.
    confused = np.array([[0, 0.9, 0.1], [0.9, 0, 0.1], [0.3, 0.7, 0]])
    counts = truth[..., None] * (1 - right)[..., None] * confused
    counts[:, range(3), range(3)] = truth * right
    counts = counts.round().astype(np.int64)
    # The lengths of the boundaries grow with the root of the areas.
    union = (20 * np.sqrt(truth)).round()
    hits = np.column_stack([random.beta(3, 2, groups) for _ in _CLASSES])
    boundary = np.stack([(union * hits).round(), union], axis=-1).astype(np.int64)
    in_bins = random.dirichlet(0.5 + 4 * (_BINS - 0.5), groups) * pixels[:, None]
    # The model is more confident than right, in some groups more than in others.
    accuracy = np.clip(_BINS - random.normal(0.04, 0.05, (groups, 1)), 0, 1)
    calibration = np.stack([in_bins, in_bins * _BINS, in_bins * accuracy], axis=-1)
    none = np.zeros((groups, CALIBRATION_BINS - len(_BINS), 3))
    return Counts(groups, counts, boundary, np.concatenate([calibration, none], axis=1))


def _metrics(counts: Counts) -> dict[str, float]:
    return compute(Counts(counts.images, *(part.sum(0) for part in counts[1:4])), _CLASSES)


def _measure(groups: int, data_sets: int) -> list[tuple[dict[str, float], Intervals]]:
    random = np.random.default_rng(groups)
    results = []
    for _ in range(data_sets):
        counts = _simulate(random, groups)
        results.append((_metrics(counts), measure_intervals(_images(counts), _CLASSES)))
    return results


def _images(counts: Counts) -> Iterator[EvaluatedImage]:
    for number, parts in enumerate(zip(*counts[1:4], strict=True)):
        yield EvaluatedImage(str(number), str(number), "", [], Counts(1, *parts), None)


def _coverage(results: Sequence[tuple[dict[str, float], Intervals]], name: str, true: float) -> str:
    found = [intervals.metrics[name] for _, intervals in results if name in intervals.metrics]
    if not found:
        return "–"
    covered = np.mean([low <= true <= high for low, high in found])
    return f"{covered:.3f} ({len(found) / len(results):.2f})"


def _passes(result: tuple[dict[str, float], Intervals], floor: float, *, sure: bool) -> bool:
    metrics, intervals = result
    interval = intervals.metrics.get("mean_iou")
    return (interval[0] if sure and interval else metrics["mean_iou"]) >= floor


def _cost() -> str:
    random = np.random.default_rng(0)
    classes = [f"class {number}" for number in range(20)]
    images = list(_images(_dense(random, 10_000, 20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    measure_intervals(images, classes)
    seconds = time.process_time() - began
    mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"\n10,000 images of 20 classes: {seconds:.1f} s of processor time, {mib:.0f} MiB more"


def _dense(random: np.random.Generator, images: int, classes: int) -> Counts:
    """Returns counts without zeros, which take the most memory."""
    shapes = ((classes, classes), (classes, 2), (CALIBRATION_BINS, 3))
    confusion, boundary, calibration = (random.integers(1, 99, (images, *s)) for s in shapes)
    return Counts(images, confusion, boundary, calibration.astype(float))


if __name__ == "__main__":
    main()
