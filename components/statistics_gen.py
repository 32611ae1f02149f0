"""TFX's StatisticsGen on the same Beam runner as the other components."""

from tfx import v1 as tfx
from tfx.components.statistics_gen import executor
from tfx.dsl.components.base import executor_spec

from components.engine import EngineExecutor


class Executor(EngineExecutor, executor.Executor):
    """TFX's executor, with the Beam options from an environment variable."""


class StatisticsGen(tfx.components.StatisticsGen):
    """TFX's StatisticsGen, which computes the TFDV statistics of each split."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
