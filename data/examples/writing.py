"""Builds the tf.Example of a pair.

The protobuf class is imported from TensorFlow Datasets, which contains a copy of TensorFlow's
class. Importing TensorFlow itself would take seconds in each ingestion process.
"""

from collections.abc import Sequence

from tensorflow_datasets.proto.tf_example_generated_pb2 import Example

from data.examples.features import (
    GROUP,
    IMAGE,
    KEY,
    MASK,
    SHA256,
    SOURCE,
    SPAN,
    column,
    fraction,
)
from data.examples.reading import ReadPair


def make_example(read: ReadPair, classes: Sequence[str]) -> Example:
    """Builds the tf.Example of a pair that can be used.

    Args:
      read: Encoded image, encoded mask and record of the pair.
      classes: Names of the classes, in order of class id.

    Returns:
      A tf.Example with the features named in `data.examples.features`. An empty cell of a manifest
      is stored as an empty string.

    Raises:
      ValueError: The pair cannot be used.
    """
    pair, statistics = read.record.pair, read.record.statistics
    if statistics is None:
        raise ValueError(f"{pair.key} cannot be used")
    texts = {
        KEY: pair.key,
        SOURCE: pair.source,
        GROUP: pair.group,
        SHA256: statistics.sha256,
        **{column(name): cell for name, cell in pair.columns.items()},
    }
    fractions = map(fraction, classes)
    numbers: dict[str, int | float] = {
        SPAN: pair.span,
        **statistics.image.features(),
        **dict(zip(fractions, statistics.fractions, strict=True)),
    }
    example = Example()
    # The messages are filled in place, because constructors that take messages as arguments would
    # copy the images.
    feature = example.features.feature
    feature[IMAGE].bytes_list.value.append(read.image)
    feature[MASK].bytes_list.value.append(read.mask)
    for name, text in texts.items():
        feature[name].bytes_list.value.append(text.encode())
    for name, number in numbers.items():
        if isinstance(number, int):
            feature[name].int64_list.value.append(number)
        else:
            feature[name].float_list.value.append(number)
    return example
