"""The GateCheck component: checks before training whether a model could pass the gate at all."""

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component

from components.evaluator.config import EVALUATED_SPLIT, GateConfig
from components.evaluator.gate import floors
from components.evaluator.gate_text import count_text
from components.evaluator.metrics import class_of
from components.evaluator.results import OVERALL
from components.evaluator.slice_names import parse_slice, refuse_unknown_columns
from components.evaluator.slices import slice_values
from components.example_gen.artifact import read_records, read_summary
from data.errors import InputError
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.split_counts import SplitCounts

_MAX_NAMED = 10  # maximum number of feature values in a message


@component
def GateCheck(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    gate: tfx.dsl.components.Parameter[str],
    classes: tfx.dsl.components.Parameter[str],
    columns: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Checks that a model could pass the gate, given the pairs of the test split.

    Args:
      examples: The examples artifact, with the records of the pairs.
      gate: GateConfig as JSON.
      classes: Class names, by class id, as JSON.
      columns: Names of the manifest columns that slices use, as JSON.
      code: Version of the code; the check runs again when it changes.

    Raises:
      InputError: The manifest lacks a column, a slice of the gate has no image, a class with a
        floor has no pixel, or there are too few images for any rule. The message has a line for
        each problem, with the counts.
    """
    del code  # TFX only needs `code` for its cache key
    # All pairs have the same columns.
    first = next(read_records(examples, EVALUATED_SPLIT), None)
    refuse_unknown_columns(json.loads(columns), first.pair.columns if first else ())
    problems = list(
        gate_problems(
            GateConfig.model_validate_json(gate),
            read_records(examples, EVALUATED_SPLIT),
            read_summary(examples).splits,
            json.loads(classes),
        )
    )
    if problems:
        raise InputError("\n".join(problems))


class _Slice:
    """Counts of the images of the test split in a slice."""

    def __init__(self, num_classes: int) -> None:
        self.images = 0
        self.pixels = np.zeros(num_classes)
        self.values: set[str] = set()  # values of the feature in all images of the test split

    def add(self, statistics: PairStatistics) -> None:
        self.images += 1
        self.pixels += statistics.class_pixels


def gate_problems(
    gate: GateConfig,
    test: Iterable[Record],
    splits: Sequence[SplitCounts],
    classes: Sequence[str],
) -> Iterator[str]:
    """Finds rules of the gate that no model can pass or that cannot be checked on the test split.

    Args:
      gate: The `gate:` part of the config.
      test: Records of the usable pairs of the test split.
      splits: Counts of all splits.
      classes: Names of the classes, by class id.

    Yields:
      A line for each problem.
    """
    slices = _count_slices(gate, test, classes)
    images = slices[OVERALL].images
    if images < gate.min_images:
        yield (
            f"gate.min_images: {gate.min_images}, but the test split has "
            f"{count_text(images, 'image')}, so no model could ever be blessed. Lower "
            "gate.min_images, or give the test split a larger share in data.splits."
        )
    for name in gate.slices:
        if not slices[name].images:
            present = sorted(slices[name].values)
            more = len(present) - _MAX_NAMED
            yield (
                f"gate.slices.{name}: no image of the test split is in this slice. Values of "
                f"{parse_slice(name)[0]} in the test split: "
                f"{', '.join(present[:_MAX_NAMED])}{f' and {more} more' if more > 0 else ''}."
            )
    for name, metric, _ in floors(gate):
        class_name = class_of(metric)
        if class_name is None or not slices[name].images:
            continue
        class_id = classes.index(class_name)
        if round(slices[name].pixels[class_id]):
            continue
        counts = [f"{split.name} {split.pixels[class_id]:,}" for split in splits]
        where = f"gate.slices.{name}.{metric}" if name else f"gate: {metric}"
        part = f"the {count_text(slices[name].images, 'image')} of the test split"
        part += f" in {name}" if name else ""
        yield (
            f"{where} has a floor, but there are no pixels of {class_name} in {part} (pixels: "
            f"{', '.join(counts)}). Change data.splits, add data, or remove this floor."
        )


def _count_slices(
    gate: GateConfig, test: Iterable[Record], classes: Sequence[str]
) -> dict[str, _Slice]:
    """Counts the images of each slice of the gate, and of the whole split."""
    slices = {name: _Slice(len(classes)) for name in (OVERALL, *gate.slices)}
    wanted = {name: parse_slice(name) for name in gate.slices}
    for record in test:
        if record.statistics is None:
            continue
        slices[OVERALL].add(record.statistics)
        row = slice_values(record, classes) if wanted else {}
        for name, (feature, value) in wanted.items():
            slices[name].values.add(row[feature])
            if row[feature] == value:
                slices[name].add(record.statistics)
    return slices
