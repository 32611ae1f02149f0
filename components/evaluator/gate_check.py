"""The GateCheck component, which checks before training that a model could pass the gate."""

import json
from collections.abc import Iterator, Mapping, Sequence

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
from components.example_gen.artifact import read_records
from data.config import SPLITS, SplitName
from data.errors import InputError
from data.examples.records import Record

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
        a floor has no pixels, or the test split has fewer than `gate.min_images` images. The
        message has one line for each problem.
    """
    del code  # used only by TFX, as part of the cache key
    by_split = {split: read_records(examples, split) for split in SPLITS}
    present = {name for record in by_split[EVALUATED_SPLIT] for name in record.pair.columns}
    refuse_unknown_columns(json.loads(columns), present)
    problems = list(
        gate_problems(GateConfig.model_validate_json(gate), by_split, json.loads(classes))
    )
    if problems:
        raise InputError("\n".join(problems))


def gate_problems(
    gate: GateConfig, by_split: Mapping[SplitName, list[Record]], classes: Sequence[str]
) -> Iterator[str]:
    """Finds gate rules that no model can pass or that cannot be checked on the test split.

    Args:
      gate: The config's `gate` section.
      by_split: Records of the usable pairs, by split.
      classes: Names of the classes, by class id.

    Yields:
      A one-line message for each problem, with information that helps to solve it.
    """
    test = by_split[EVALUATED_SPLIT]
    if len(test) < gate.min_images:
        yield (
            f"gate.min_images: {gate.min_images}, but the test split has "
            f"{count_text(len(test), 'image')}, so no model could ever be blessed. Lower "
            "gate.min_images, or give the test split a larger share in data.splits."
        )
    values = [slice_values(record, classes) for record in test]
    slices = {OVERALL: test}
    for name in gate.slices:
        feature, value = parse_slice(name)
        slices[name] = [
            record for record, row in zip(test, values, strict=True) if row[feature] == value
        ]
        if not slices[name]:
            present = sorted({row[feature] for row in values})
            more = len(present) - _MAX_NAMED
            yield (
                f"gate.slices.{name}: no image of the test split is in this slice. Values of "
                f"{feature} in the test split: "
                f"{', '.join(present[:_MAX_NAMED])}{f' and {more} more' if more > 0 else ''}."
            )
    pixels = {name: _class_pixels(records, len(classes)) for name, records in slices.items()}
    for name, metric, _ in floors(gate):
        class_name = class_of(metric)
        if class_name is None or not slices[name]:
            continue
        class_id = classes.index(class_name)
        if pixels[name][class_id]:
            continue
        counts = [
            f"{split} {_class_pixels(records, len(classes))[class_id]:,}"
            for split, records in by_split.items()
        ]
        where = f"gate.slices.{name}.{metric}" if name else f"gate: {metric}"
        images = count_text(len(slices[name]), "image")
        part = f"the {images} of the test split" + (f" in {name}" if name else "")
        yield (
            f"{where} has a floor, but there are no pixels of {class_name} in {part} (pixels: "
            f"{', '.join(counts)}). Change data.splits, add data, or remove this floor."
        )


def _class_pixels(records: Sequence[Record], num_classes: int) -> list[int]:
    """Returns the total number of pixels labelled as each class, by class id."""
    pixels = [record.statistics.class_pixels for record in records if record.statistics]
    numbers: list[int] = np.reshape(pixels, (-1, num_classes)).sum(0).round().astype(int).tolist()
    return numbers
