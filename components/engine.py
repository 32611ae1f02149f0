"""Base class of the executors that run Beam jobs; an environment variable selects the runner."""

import json
import os

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

ARGUMENTS = "UNETFX_BEAM_ARGUMENTS"
"""Environment variable with Beam options as a JSON list, which replace the pipeline's Beam options.

TFX's cache key includes the Beam options of the pipeline, although the Beam runner does not affect
the output of a component. Runners that use the cache therefore pass the options by this variable.
"""


def beam_arguments() -> list[str] | None:
    """Returns the Beam options in the environment variable; None if it is not set."""
    arguments = os.environ.get(ARGUMENTS)
    return json.loads(arguments) if arguments else None


class EngineExecutor(BaseBeamExecutor):
    """An executor that takes its Beam options from an environment variable, if that is set."""

    def __init__(self, context: BaseBeamExecutor.Context | None = None) -> None:
        """Initialises the executor.

        Args:
          context: TFX's context of the execution; its Beam options are replaced.
        """
        arguments = beam_arguments()
        if context is not None and arguments:
            context.beam_pipeline_args = arguments
        super().__init__(context)
