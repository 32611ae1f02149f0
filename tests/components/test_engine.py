import pytest

from components.engine import ARGUMENTS
from components.statistics_gen import Executor


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [('["--runner=FlinkRunner"]', ["--runner=FlinkRunner"]), ("", ["--runner=DirectRunner"])],
    ids=["replaced by the environment", "as in the pipeline"],
)
def test_beam_arguments(monkeypatch, environment, arguments):
    monkeypatch.setenv(ARGUMENTS, environment)
    context = Executor.Context(beam_pipeline_args=["--runner=DirectRunner"])
    Executor(context)
    assert context.beam_pipeline_args == arguments
