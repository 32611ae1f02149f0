"""Base class of the executors that run Beam jobs; an environment variable selects the runner."""

import json
import os

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

ARGUMENTS = "UNETFX_BEAM_ARGUMENTS"
"""Environment variable with Beam options as a JSON list, which replace the pipeline's Beam options.

TFX's cache key includes the Beam options of the pipeline, although the Beam runner does not affect
the output of a component. Runners that use the cache therefore pass the options by this variable.
"""


class EngineExecutor(BaseBeamExecutor):
    """An executor that takes its Beam options from an environment variable, if that is set."""

    def __init__(self, context: BaseBeamExecutor.Context | None = None) -> None:
        """Initialises the executor.

        Args:
          context: TFX's context of the execution; its Beam options are replaced.
        """
        arguments = os.environ.get(ARGUMENTS)
        if context is not None and arguments:
            context.beam_pipeline_args = json.loads(arguments)
        super().__init__(context)
