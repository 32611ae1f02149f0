"""The components between ingestion and training: the kept schema, and the data held against it."""

import json
import os
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import v1 as tfx
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.utils import writer_utils

from components.example_gen.artifact import read_records
from components.validator.anomaly_text import in_words
from components.validator.schema import infer_schema
from components.validator.span_drift import drift, span_statistics
from data.config import SPLITS
from data.errors import InputError

SCHEMA_FILE = "schema.pbtxt"
"""In the schema artifact, as in TFX's."""
WORDS_FILE = "anomalies.txt"
"""In the anomalies artifact: a line for each anomaly, for people."""
_ANOMALIES_FILE = "SchemaDiff.pb"  # in each split's folder, as in TFX's


@component
def SchemaGen(
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    file: tfx.dsl.components.Parameter[str],
    text: tfx.dsl.components.Parameter[str],
    attempt: tfx.dsl.components.Parameter[str],
) -> None:
    """Takes the schema that the user keeps, or infers it and writes it where the user keeps it.

    Args:
      statistics: Of the examples.
      schema: Where schema.pbtxt goes.
      file: The user's file.
      text: What was in it when the pipeline was built, or on Kubeflow when the run began; empty if
        it was not there. As a parameter, so that an edit is a reason to check anew.
      attempt: Differs each time that there is no text: the cache must not answer, since the file is
        to be written.

    Raises:
      InputError: The file is no schema in text form.
    """
    del attempt  # it is only there to be different
    if text:
        try:
            text_format.Parse(text, schema_pb2.Schema())
        except text_format.ParseError as error:
            raise InputError(
                f"{file}: not a TFDV schema in text form ({error}). Mend it, or remove it: it is "
                "then inferred from the data."
            ) from error
    else:
        text = text_format.MessageToString(
            infer_schema([_statistics(statistics, split) for split in SPLITS])
        )
        if os.path.dirname(file):
            tf.io.gfile.makedirs(os.path.dirname(file))
        with tf.io.gfile.GFile(f"{file}.unfinished", "w") as kept:
            kept.write(text)
        tf.io.gfile.rename(f"{file}.unfinished", file, overwrite=True)
    with tf.io.gfile.GFile(os.path.join(schema.uri, SCHEMA_FILE), "w") as copy:
        copy.write(text)


@component
def ExampleValidator(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
    anomalies: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    classes: tfx.dsl.components.Parameter[str],
    file: tfx.dsl.components.Parameter[str],
    on_anomaly: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Holds each split, and the newest span, against the schema.

    As TFX's ExampleValidator, and beyond it: it compares spans, says in words what it found, and
    can stop the run.

    Args:
      examples: The examples, for the list of pairs with their spans.
      statistics: Of the examples.
      schema: What they should look like. A feature's `skew_comparator` compares `train` with
        `test`, its `drift_comparator` the newest span with the older ones.
      anomalies: Where SchemaDiff.pb goes for each split and for the newest span, and anomalies.txt.
      classes: Class names, by class id, as JSON.
      file: Where the user keeps the schema, for messages.
      on_anomaly: `fail` or `warn`.
      code: Version of the code; the examples are validated again when it changes.

    Raises:
      InputError: There are anomalies, and `on_anomaly` is `fail`.
    """
    del code  # part of the cache key only
    expected = text_format.Parse(
        tf.io.gfile.GFile(os.path.join(schema.uri, SCHEMA_FILE)).read(), schema_pb2.Schema()
    )
    by_split = {split: _statistics(statistics, split) for split in SPLITS}
    lines = []
    for split, found in by_split.items():
        test = by_split["test"] if split == "train" else None
        result = tfdv.validate_statistics(found, expected, serving_statistics=test)
        _write(anomalies, split, result)
        lines += [f"{split}: {words}" for words in in_words(result, expected, found)]
    names: list[str] = list(SPLITS)
    spans = span_statistics(read_records(examples), json.loads(classes))
    if spans:
        result = drift(spans, expected)
        names.append(f"span-{spans.span}")
        _write(anomalies, names[-1], result)
        words = in_words(result, expected, spans.newest, spans.older)
        lines += [f"span {spans.span}: {line}" for line in words]
    anomalies.split_names = artifact_utils.encode_split_names(names)
    if lines and on_anomaly == "fail":
        advice = f"If the data are right, edit {file} (or data.on_anomaly)."
        raise InputError("\n".join([*lines, advice]))
    with tf.io.gfile.GFile(os.path.join(anomalies.uri, WORDS_FILE), "w") as file_of_words:
        file_of_words.write("".join(f"{line}\n" for line in lines))


def _statistics(
    artifact: tfx.types.standard_artifacts.ExampleStatistics, split: str
) -> statistics_pb2.DatasetFeatureStatisticsList:
    return load_statistics(artifact, split).proto()


def _write(artifact: Any, split: str, found: anomalies_pb2.Anomalies) -> None:
    folder = os.path.join(artifact.uri, f"Split-{split}")
    tf.io.gfile.makedirs(folder)
    writer_utils.write_anomalies(os.path.join(folder, _ANOMALIES_FILE), found)
