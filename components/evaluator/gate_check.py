"""The GateCheck component: can the gate decide anything on this data? Asked before training."""

import json
from collections.abc import Iterator, Mapping, Sequence

from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component

from components.evaluator.config import GateConfig
from components.evaluator.gate import floors
from components.evaluator.metric_names import class_of
from components.evaluator.results import OVERALL
from components.evaluator.slice_names import parse_slice, refuse_unknown_columns
from components.evaluator.slices import slice_values
from components.example_gen.artifact import read_records
from data.config import SPLITS, SplitName
from data.errors import InputError
from data.examples.records import Record

_MOST_NAMED = 10  # values of a feature, in a message


@component
def GateCheck(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    gate: tfx.dsl.components.Parameter[str],
    classes: tfx.dsl.components.Parameter[str],
    columns: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Holds the gate against the test split.

    Args:
      examples: The examples, for the list of pairs.
      gate: GateConfig as JSON.
      classes: Class names, by class id, as JSON.
      columns: Names of the manifest's columns that slices are by, as JSON.
      code: Version of the code; the check runs again when it changes.

    Raises:
      InputError: A slice is by a column that the manifest lacks, a slice of the gate has no image,
        a class with a floor has no pixel, or there are too few images for any rule; a line for
        each, with the numbers.
    """
    del code  # part of the cache key only
    by_split = {split: read_records(examples, split) for split in SPLITS}
    there = {name for record in by_split["test"] for name in record.pair.columns}
    refuse_unknown_columns(json.loads(columns), there)
    problems = list(
        gate_problems(GateConfig.model_validate_json(gate), by_split, json.loads(classes))
    )
    if problems:
        raise InputError("\n".join(problems))


def gate_problems(
    gate: GateConfig, by_split: Mapping[SplitName, list[Record]], classes: Sequence[str]
) -> Iterator[str]:
    """Finds what keeps the gate from deciding.

    Args:
      gate: The config.
      by_split: Split to the records of its pairs.
      classes: Names of the classes, by class id.

    Yields:
      A line for each problem.
    """
    test = by_split["test"]
    if len(test) < gate.min_images:
        yield (
            f"gate.min_images: {gate.min_images}, but the test split has {_images(test)}, so no "
            "model could ever be blessed. Lower it, or give test a greater share in data.splits."
        )
    values = [slice_values(record, classes) for record in test]
    slices = {OVERALL: test}
    for name in gate.slices:
        feature, value = parse_slice(name)
        there = sorted({row[feature] for row in values})
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        slices[name] = [
            record for record, row in zip(test, values, strict=True) if row[feature] == value
        ]
        if not slices[name]:
            yield (
                f"gate.slices.{name}: no image of the test split is in it; of {feature} there are "
                f"{', '.join(there[:_MOST_NAMED])}{more}."
            )
    for name, metric, _ in floors(gate):
        class_name = class_of(metric)
        if class_name is None or not slices[name]:
            continue
        class_id = classes.index(class_name)
        if _pixels(slices[name], class_id):
            continue
        counts = [f"{split} {_pixels(by_split[split], class_id):,}" for split in by_split]
        where = f"gate.slices.{name}.{metric}" if name else f"gate: {metric}"
        part = f"the {_images(slices[name])} of the test split" + (f" in {name}" if name else "")
        yield (
            f"{where} has a floor, but in {part} there is no pixel of {class_name} (pixels: "
            f"{', '.join(counts)}). Change data.splits, add data, or leave it out of the gate."
        )


def _pixels(records: Sequence[Record], class_id: int) -> int:
    statistics = [record.statistics for record in records if record.statistics]
    return round(
        sum(
            fact.height * fact.width * fact.labelled * fact.fractions[class_id]
            for fact in statistics
        )
    )


def _images(records: Sequence[Record]) -> str:
    return f"{len(records)} image{'' if len(records) == 1 else 's'}"
