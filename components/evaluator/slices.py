"""Slices, that is, parts of the `test` split that are also evaluated separately.

The name of a slice consists of a feature and a value, such as `image/source=scanner_b`. The feature
is either stored in the examples or one of these derived features:

- `image/size`: the range of the longer side in pixels: `1-256`, `257-512`, …, or `2049+`.
- `mask/<class>`: `present` if the mask has at least one pixel of the class, otherwise `absent`.
- `column/<name>`: the text in a column of the manifest, or `(empty)` for an empty cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

from components.evaluator.slice_names import EMPTY, SIZE, presence, sliceable
from data.examples import features
from data.examples.records import Record

# Upper limits of the first four ranges of `image/size`, in pixels; the fifth range has no limit.
_SIDES = (256, 512, 1024, 2048)
# With more classes, the images are not sliced by the presence of each class: there would be two
# slices for each class, each with its own metrics of all classes.
_MOST_CLASSES = 12
# Features with more values than this are not chosen automatically, because their tables would be
# too long to read.
_MAX_VALUES = 10


def slice_values(record: Record, classes: Sequence[str]) -> dict[str, str]:
    """Returns the values of all features by which a pair can be sliced, by feature name.

    Args:
      record: Record of a usable pair.
      classes: Names of the classes, by class id.

    Raises:
      ValueError: The pair is not usable, so the record has no statistics.
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
      Names of the chosen features. Source, group and size are each chosen if they have two to ten
      values. `mask/<class>` is chosen for each class that some images contain and others do not,
      if there are at most twelve classes.
    """
    by_class = classes if len(classes) <= _MOST_CLASSES else ()
    chosen = [features.SOURCE, features.GROUP, SIZE, *map(presence, by_class)]
    values: dict[str, set[str]] = {name: set() for name in chosen}
    for record in records:
        row = slice_values(record, classes)
        for name, seen in values.items():
            if len(seen) <= _MAX_VALUES:
                seen.add(row[name])
    return [name for name, seen in values.items() if 1 < len(seen) <= _MAX_VALUES]


def derive_features() -> tfma.extractors.Extractor:
    """Returns a TFMA extractor that adds the derived features to the features of each example."""
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
