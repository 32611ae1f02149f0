"""TFX's StatisticsGen, run with the same Beam options as the other components."""

from tfx import v1 as tfx
from tfx.components.statistics_gen import executor
from tfx.dsl.components.base import executor_spec

from components.engine import EngineExecutor


class Executor(EngineExecutor, executor.Executor):
    """TFX's StatisticsGen executor, with the Beam options of `EngineExecutor`."""


class StatisticsGen(tfx.components.StatisticsGen):
    """TFX's StatisticsGen, which computes the TFDV statistics of each split."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
