"""SchemaGen, which provides the schema, and ExampleValidator, which checks the data against it."""

import json
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import v1 as tfx
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.utils import writer_utils

from components.example_gen.artifact import read_records, read_summary
from components.schema_file import write_inferred_schema
from components.validator.anomaly_text import ANOMALY_TEXT_FILE, anomaly_sentences
from components.validator.schema import complete_schema, infer_schema
from components.validator.span_drift import drift_anomalies, span_statistics
from data.config import SPLITS
from data.errors import InputError
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_text
from data.files.writing import make_folder, write_text

SCHEMA_FILE = "schema.pbtxt"
"""Name of the file in the schema artifact, the same as in TFX's SchemaGen."""
# Name of a split's anomalies file, the same as in TFX's ExampleValidator.
_ANOMALIES_FILE = "SchemaDiff.pb"


@component
def SchemaGen(
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    file: tfx.dsl.components.Parameter[str],
    text: tfx.dsl.components.Parameter[str],
    attempt: tfx.dsl.components.Parameter[str],
) -> None:
    """Copies the user's schema file. If there is none, infers a schema and writes the file.

    Args:
      statistics: Statistics of the examples, from which the schema is inferred.
      schema: The output artifact, to which schema.pbtxt is written.
      file: Path of the user's schema file.
      text: Content of the schema file when the pipeline was built or, on Kubeflow, when the run
        started. The text is empty if the file did not exist or, on Kubeflow, if the user had not
        edited it. The content is a parameter so that a change to the file also changes the cache
        key.
      attempt: Random part of the cache key in a local run without a schema file, so that TFX always
        runs the component and the file is written; otherwise empty.

    Raises:
      InputError: The file is not a TFDV schema in text format.
    """
    del attempt  # used only by TFX, as part of the cache key
    if text:
        try:
            text_format.Parse(text, schema_pb2.Schema())
        except (text_format.ParseError, RecursionError) as error:
            raise InputError(
                f"{file}: not a TFDV schema in text form ({error}). Correct it, or remove it, "
                "so that the schema is inferred from the data."
            ) from error
    elif is_file(file):
        text = read_text(file)
    else:
        inferred = infer_schema([_statistics(statistics, split) for split in SPLITS])
        text = write_inferred_schema(file, text_format.MessageToString(inferred))
    write_text(join(schema.uri, SCHEMA_FILE), text)


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
    """Checks each split and the newest span against the schema.

    Unlike TFX's ExampleValidator, this component also compares spans, describes anomalies in
    sentences, and can stop the run.

    Args:
      examples: The examples artifact, whose records contain the span of each pair.
      statistics: Statistics of the examples, by split.
      schema: The schema. A feature's `skew_comparator` limits the difference between `train` and
        `test`, and its `drift_comparator` limits the difference between the newest span and all
        older spans.
      anomalies: The output artifact, to which anomalies.txt is written, as well as a SchemaDiff.pb
        for each split and, if there are several spans, for the newest span.
      classes: Class names, by class id, as a JSON list.
      file: Path of the user's schema file, which is named in error messages.
      on_anomaly: `fail` stops the run if there are anomalies; `warn` only reports them.
      code: Version of the code. The version is part of the cache key, so the examples are validated
        again when the code changes.

    Raises:
      InputError: There are anomalies, and `on_anomaly` is `fail`.
    """
    del code  # used only by TFX, as part of the cache key
    expected = text_format.Parse(read_text(join(schema.uri, SCHEMA_FILE)), schema_pb2.Schema())
    complete_schema(expected)
    by_split = {split: _statistics(statistics, split) for split in SPLITS}
    class_names: list[str] = json.loads(classes)
    lines = []
    for split, measured in by_split.items():
        test = by_split["test"] if split == "train" else None
        result = tfdv.validate_statistics(measured, expected, serving_statistics=test)
        _write(anomalies, split, result)
        sentences = anomaly_sentences(result, expected, measured, classes=class_names)
        lines += [f"{split}: {line}" for line in sentences]
    names: list[str] = list(SPLITS)
    numbers = read_summary(examples).spans
    spans = span_statistics(read_records(examples), class_names, numbers)
    if spans:
        result = drift_anomalies(spans, expected)
        names.append(f"span-{spans.span}")
        _write(anomalies, names[-1], result)
        sentences = anomaly_sentences(
            result, expected, spans.newest, spans.older, classes=class_names
        )
        lines += [f"span {spans.span}: {line}" for line in sentences]
    anomalies.split_names = artifact_utils.encode_split_names(names)
    if lines and on_anomaly == "fail":
        advice = f"If the data are right, edit {file} (or data.on_anomaly)."
        raise InputError(*lines, advice)
    write_text(join(anomalies.uri, ANOMALY_TEXT_FILE), "".join(f"{line}\n" for line in lines))


def _statistics(
    artifact: tfx.types.standard_artifacts.ExampleStatistics, split: str
) -> statistics_pb2.DatasetFeatureStatisticsList:
    return load_statistics(artifact, split).proto()


def _write(artifact: Any, split: str, anomalies: anomalies_pb2.Anomalies) -> None:
    folder = join(artifact.uri, f"Split-{split}")
    make_folder(folder)
    writer_utils.write_anomalies(join(folder, _ANOMALIES_FILE), anomalies)
