import json

import pytest

from components.engine import ARGUMENTS
from components.statistics_gen import Executor
from pipeline.config.beam import LocalBeam

PIPELINE = tuple(LocalBeam().arguments())
FLINK = ("--runner=FlinkRunner", *PIPELINE[1:])


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [(json.dumps(FLINK), FLINK), ("", PIPELINE)],
    ids=["replaced by the environment", "as in the pipeline"],
)
def test_beam_arguments(monkeypatch, environment, arguments):
    monkeypatch.setenv(ARGUMENTS, environment)
    context = Executor.Context(beam_pipeline_args=[*PIPELINE])
    Executor(context)
    labels = len(arguments)  # from here on, TFX appends labels
    assert tuple(context.beam_pipeline_args[:labels]) == arguments
