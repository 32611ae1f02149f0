"""Base class of the executors that run Beam jobs; an environment variable selects the runner."""

import json
import os

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

ARGUMENTS = "UNETFX_BEAM_ARGUMENTS"
"""Name of the environment variable with Beam options that replace the options of the pipeline.

The value is a JSON list of strings. TFX's cache key includes the Beam options of the pipeline,
although the Beam runner does not affect the output of a component. Options in this variable do not
change the cache key.
"""


class EngineExecutor(BaseBeamExecutor):
    """An executor that takes its Beam options from the environment variable `ARGUMENTS`, if set."""

    def __init__(self, context: BaseBeamExecutor.Context | None = None) -> None:
        """Initialises the executor.

        Args:
          context: TFX's context of the execution. If the environment variable is set, the Beam
            options of the context are replaced.
        """
        arguments = os.environ.get(ARGUMENTS)
        if context is not None and arguments:
            context.beam_pipeline_args = json.loads(arguments)
        super().__init__(context)
