"""TFX's StatisticsGen on the same Beam engine as the other components."""

from tfx import v1 as tfx
from tfx.components.statistics_gen import executor
from tfx.dsl.components.base import executor_spec

from components.engine import EngineExecutor


class Executor(EngineExecutor, executor.Executor):
    """TFX's executor, with Beam's arguments from the environment."""


class StatisticsGen(tfx.components.StatisticsGen):
    """Computes statistics of each split."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
