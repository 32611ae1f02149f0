"""TFX's StatisticsGen, changed to use the same Beam options as the other components."""

from tfx import v1 as tfx
from tfx.components.statistics_gen import executor
from tfx.dsl.components.base import executor_spec

from components.engine import EngineExecutor


class Executor(EngineExecutor, executor.Executor):
    """TFX's StatisticsGen executor, which gets its Beam options from `EngineExecutor`."""


class StatisticsGen(tfx.components.StatisticsGen):
    """TFX's StatisticsGen component, which computes TFDV statistics for each split."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
