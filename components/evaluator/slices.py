"""Slices: parts of the `test` split that are also evaluated separately.

The name of a slice is a feature and its value: `image/source=scanner_b`. Besides the features of
the examples there are these derived features:

- `image/size`: the longer side in pixels, in five ranges: `1-256`, `257-512`, …, `2049+`.
- `mask/<class>`: `present` where the mask has a pixel of the class, else `absent`.
- `column/<name>`: the text in a manifest's column, or `(empty)`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

from components.evaluator.slice_names import EMPTY, SIZE, presence, sliceable
from data.examples import features
from data.examples.records import Record

# Upper limits of the size slices: longer side of an image in pixels.
_SIDES = (256, 512, 1024, 2048)
# Maximum number of values of a feature to slice by; a longer table would be unreadable.
_MAX_VALUES = 10


def slice_values(record: Record, classes: Sequence[str]) -> dict[str, str]:
    """Returns the value of each feature in `sliceable` and of each manifest column for one pair.

    Args:
      record: Record of a usable pair.
      classes: Names of the classes, by class id.
    """
    pair, statistics = record.pair, record.statistics
    if statistics is None:
        raise ValueError(f"{pair.key} cannot be used")
    stored = (pair.source, pair.group, pair.span, statistics.height, statistics.width)
    values = [
        *map(str, stored),
        _size(statistics.height, statistics.width),
        *map(_presence, statistics.fractions),
    ]
    columns = {features.column(name): cell or EMPTY for name, cell in pair.columns.items()}
    return dict(zip(sliceable(classes), values, strict=True)) | columns


def informative_features(records: Iterable[Record], classes: Sequence[str]) -> list[str]:
    """Chooses the features that divide the images into two to ten slices.

    Args:
      records: Records of the pairs to be evaluated.
      classes: Names of the classes, by class id.

    Returns:
      Names of features: source, group and size, each only if it has two to ten values, and
      `mask/<class>` for each class that some images contain and others do not.
    """
    chosen = [features.SOURCE, features.GROUP, SIZE, *map(presence, classes)]
    values: dict[str, set[str]] = {name: set() for name in chosen}
    for record in records:
        row = slice_values(record, classes)
        for name, seen in values.items():
            if len(seen) <= _MAX_VALUES:
                seen.add(row[name])
    return [name for name, seen in values.items() if 1 < len(seen) <= _MAX_VALUES]


def derive_features() -> tfma.extractors.Extractor:
    """Makes a TFMA extractor that adds the derived features to the features of each example."""
    return tfma.extractors.Extractor("DeriveFeatures", beam.Map(_derive))


def _derive(extracts: Mapping[str, Any]) -> dict[str, Any]:
    example = extracts[tfma.FEATURES_KEY]
    size = _size(int(example[features.HEIGHT][0]), int(example[features.WIDTH][0]))
    derived = {SIZE: np.array([size])}
    for name in example:
        if name.startswith(features.fraction("")):
            class_name = name.removeprefix(features.fraction(""))
            derived[presence(class_name)] = np.array([_presence(float(example[name][0]))])
        elif name.startswith(features.column("")) and not example[name][0]:
            derived[name] = np.array([EMPTY])
    return {**extracts, tfma.FEATURES_KEY: {**example, **derived}}


def _size(height: int, width: int) -> str:
    lowest = 1
    for highest in _SIDES:
        if max(height, width) <= highest:
            return f"{lowest}-{highest}"
        lowest = highest + 1
    return f"{lowest}+"


def _presence(share: float) -> str:
    return "present" if share > 0 else "absent"
