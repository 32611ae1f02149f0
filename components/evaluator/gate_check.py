"""The GateCheck component, which checks before training that a model could pass the gate."""

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component

from components.evaluator.config import EVALUATED_SPLIT, GateConfig
from components.evaluator.gate import floors
from components.evaluator.gate_text import count_text
from components.evaluator.metrics import class_of
from components.evaluator.slice_names import OVERALL, parse_slice, refuse_unknown_columns
from components.evaluator.slices import slice_values
from components.example_gen.artifact import read_records, read_summary
from data.errors import InputError
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.split_counts import SplitCounts

_MAX_NAMED = 10  # maximum number of feature values listed in a message


@component
def GateCheck(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    gate: tfx.dsl.components.Parameter[str],
    classes: tfx.dsl.components.Parameter[str],
    columns: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Checks that the test split has the images and pixels that the gate's rules need.

    Args:
      examples: The examples artifact, which contains the records of the pairs.
      gate: A `GateConfig` as JSON.
      classes: Class names, by class id, as a JSON list.
      columns: Names of the manifest columns used for slicing, as a JSON list.
      code: Version of the code. The version is part of the cache key, so the check runs again when
        the code changes.

    Raises:
      InputError: The manifest lacks a column, a slice named by the gate has no images, a class with
        a floor has no pixels, the test split has a single class, or it has fewer than
        `gate.min_images` images. The message has one line for each problem.
    """
    del code  # used only by TFX, as part of the cache key
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
        raise InputError(*problems)


class _Slice:
    """Numbers of images and pixels in a slice of the test split."""

    def __init__(self, num_classes: int) -> None:
        self.images = 0
        self.pixels = np.zeros(num_classes)
        self.values: set[str] = set()  # the feature's values in all images of the test split

    def add(self, statistics: PairStatistics) -> None:
        self.images += 1
        self.pixels += statistics.class_pixels


def gate_problems(
    gate: GateConfig,
    test: Iterable[Record],
    splits: Sequence[SplitCounts],
    classes: Sequence[str],
) -> Iterator[str]:
    """Finds gate rules that no model can pass or that cannot be checked on the test split.

    Args:
      gate: The config's `gate` section.
      test: Records of the usable pairs in the test split.
      splits: Counts of the usable pairs in each split.
      classes: Names of the classes, by class id.

    Yields:
      A one-line message for each problem, with information that helps to solve it.
    """
    slices = _count_slices(gate, test, classes)
    images = slices[OVERALL].images
    if images < gate.min_images:
        yield (
            f"gate.min_images: {gate.min_images}, but the test split has "
            f"{count_text(images, 'image')}, so no model could ever be blessed. Lower "
            "gate.min_images, or give the test split a larger share in data.splits."
        )
    present_ids = np.flatnonzero(np.round(slices[OVERALL].pixels))
    if len(present_ids) == 1:
        yield (
            f"the test split has only pixels of {classes[present_ids[0]]}, so a model that knows "
            "no other class would be blessed. Change data.splits, or add data with other classes."
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
        class_id = class_of(metric, classes)
        if class_id is None or not slices[name].images:
            continue
        if round(slices[name].pixels[class_id]):
            continue
        counts = [f"{split.name} {split.pixels[class_id]:,}" for split in splits]
        where = f"gate.slices.{name}.{metric}" if name else f"gate: {metric}"
        part = f"the {count_text(slices[name].images, 'image')} of the test split"
        part += f" in {name}" if name else ""
        yield (
            f"{where} has a floor, but there are no pixels of {classes[class_id]} in {part} "
            f"(pixels: {', '.join(counts)}). Change data.splits, add data, or remove this floor."
        )


def _count_slices(
    gate: GateConfig, test: Iterable[Record], classes: Sequence[str]
) -> dict[str, _Slice]:
    """Counts the images and pixels in each slice of the gate, and in the whole test split."""
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
