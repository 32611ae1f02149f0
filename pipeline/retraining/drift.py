"""Compares logged requests with the data that the newest pushed model was trained on."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME

from components.validator.request_drift import RequestDrift, request_drift
from components.validator.schema import complete_schema
from data.errors import InputError, one_line
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_text
from pipeline.config.config import Config
from pipeline.history.pushed import pushed_versions
from pipeline.history.store import STATISTICS, open_history
from serving.logged_answers import read_answers


class Training(NamedTuple):
    """The data that a pushed model was trained on.

    Attributes:
      version: Version of the model.
      statistics: File with TFDV's statistics of the split `train`.
    """

    version: int
    statistics: str


def find_drift(config: Config, logs: Sequence[str]) -> tuple[Training, RequestDrift]:
    """Compares logged requests with the training data of the newest pushed version.

    Args:
      config: The config of the pipeline, which names the schema file.
      logs: Files and folders of logs.

    Returns:
      The version and its data, and the result of the comparison.

    Raises:
      InputError: There is no pushed version whose statistics are kept, they or the schema cannot be
        read, or a log cannot be read or has too few requests.
    """
    training = _training(config)
    statistics = _statistics(training.statistics)
    answers = read_answers(logs, config.data.classes)
    return training, request_drift(answers, statistics, _schema(config), config.data.classes)


def _training(config: Config) -> Training:
    history = open_history(config)
    pushed = pushed_versions(config, history) if history else {}
    if not history or not pushed:
        raise InputError(
            f"{config.serving_folder}: no pushed model there, so there are no training data to "
            "compare with. Run the pipeline first: unetfx run"
        )
    newest = max(pushed)
    runs = history.runs_that_made(pushed[newest])
    files = [
        join(artifact.uri, f"Split-train/{DEFAULT_FILE_NAME}")
        for run in sorted(runs)
        for artifact in history.outputs(run)
        if artifact.type == STATISTICS
    ]
    kept = [file for file in files if is_file(file)]
    if not kept:
        raise InputError(
            f"version {newest}: the statistics of its training data are no longer kept. Push a "
            "newer model, or raise retrain.keep_runs"
        )
    return Training(newest, kept[-1])


def _statistics(file: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    try:
        statistics = tfdv.load_stats_binary(file)
        if not statistics.datasets:
            raise DecodeError("it is empty")
    except DecodeError as error:
        raise InputError(
            f"{file}: not statistics of TFDV ({one_line(error)}). Push a newer model: unetfx run"
        ) from error
    return statistics


def _schema(config: Config) -> schema_pb2.Schema:
    file = config.schema_file
    if not is_file(file):
        raise InputError(f"{file}: no schema there. A run of the pipeline infers it: unetfx run")
    try:
        schema = text_format.Parse(read_text(file), schema_pb2.Schema())
    except (text_format.ParseError, RecursionError) as error:
        raise InputError(f"{file}: not a TFDV schema in text form ({error}).") from error
    complete_schema(schema)
    return schema
