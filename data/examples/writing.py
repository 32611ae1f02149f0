"""Builds the tf.Example of a pair.

The protobuf classes are imported from TensorFlow Datasets, which contains copies of TensorFlow's
classes. Importing TensorFlow itself would take seconds in each ingestion process.
"""

from collections.abc import Sequence

from tensorflow_datasets.proto.tf_example_generated_pb2 import Example
from tensorflow_datasets.proto.tf_feature_generated_pb2 import (
    BytesList,
    Feature,
    Features,
    FloatList,
    Int64List,
)

from data.examples.features import (
    GROUP,
    HEIGHT,
    IMAGE,
    KEY,
    MASK,
    MEANS,
    SHA256,
    SOURCE,
    SPAN,
    STD,
    WIDTH,
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
    features = {
        IMAGE: _bytes(read.image),
        KEY: _bytes(pair.key.encode()),
        SOURCE: _bytes(pair.source.encode()),
        GROUP: _bytes(pair.group.encode()),
        SPAN: _int64(pair.span),
        SHA256: _bytes(statistics.sha256.encode()),
        HEIGHT: _int64(statistics.height),
        WIDTH: _int64(statistics.width),
        STD: _float(statistics.std),
        MASK: _bytes(read.mask),
    }
    features |= {name: _float(mean) for name, mean in zip(MEANS, statistics.means, strict=True)}
    features |= {
        fraction(name): _float(share)
        for name, share in zip(classes, statistics.fractions, strict=True)
    }
    features |= {column(name): _bytes(cell.encode()) for name, cell in pair.columns.items()}
    return Example(features=Features(feature=features))


def _bytes(value: bytes) -> Feature:
    return Feature(bytes_list=BytesList(value=[value]))


def _int64(value: int) -> Feature:
    return Feature(int64_list=Int64List(value=[value]))


def _float(value: float) -> Feature:
    return Feature(float_list=FloatList(value=[value]))
