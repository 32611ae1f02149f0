"""Base class for executors of Beam jobs, whose Beam options can come from the environment."""

import json
import os

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

ARGUMENTS = "UNETFX_BEAM_ARGUMENTS"
"""Name of the environment variable whose Beam options replace those of the pipeline.

The value is a JSON list of strings. TFX's cache key includes the pipeline's Beam options, although
the Beam runner does not affect a component's output. Options in this variable are not part of the
cache key, so a different runner can be used without losing the cached results.
"""


def beam_arguments() -> list[str] | None:
    """Returns the Beam options from the environment variable; None if the variable is not set."""
    arguments = os.environ.get(ARGUMENTS)
    return json.loads(arguments) if arguments else None


class EngineExecutor(BaseBeamExecutor):
    """An executor that reads its Beam options from UNETFX_BEAM_ARGUMENTS if the variable is set."""

    def __init__(self, context: BaseBeamExecutor.Context | None = None) -> None:
        """Initialises the executor.

        Args:
          context: TFX's context for the execution. If the environment variable is set, its options
            replace the Beam options in the context.
        """
        arguments = beam_arguments()
        if context is not None and arguments:
            context.beam_pipeline_args = arguments
        super().__init__(context)
