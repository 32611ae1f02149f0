"""On what engine the Beam jobs of the components run."""

import json
import os

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

ARGUMENTS = "UNETFX_BEAM_ARGUMENTS"
"""Environment variable: Beam's arguments, a JSON list; they replace those of the pipeline.

TFX's cache takes the pipeline's for a reason to run a step anew. On what engine a step ran changes
nothing of what it makes, so a runner that asks that cache gives them here.
"""


class EngineExecutor(BaseBeamExecutor):
    """An executor whose Beam jobs run where the environment says."""

    def __init__(self, context: BaseBeamExecutor.Context | None = None) -> None:
        """Takes Beam's arguments.

        Args:
          context: TFX's; holds the pipeline's arguments.
        """
        told = os.environ.get(ARGUMENTS)
        if context is not None and told:
            context.beam_pipeline_args = json.loads(told)
        super().__init__(context)
