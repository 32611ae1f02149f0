"""TFX's Pusher, changed so that TF Serving never loads an incomplete version."""

import json
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import PUSH_DESTINATION_KEY, PUSHED_MODEL_KEY
from tfx.utils import io_utils

from serving.model.push import push_model


class Executor(executor.Executor):
    """TFX's Pusher executor, changed so that TF Serving never loads an incomplete version.

    TFX's executor copies the model directly to the numbered folder of the new version. TF Serving
    treats any numbered folder as a version, fails to load the incomplete copy, and gives up after
    several attempts.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if both the Evaluator and ServingCheck have blessed it.

        Args:
          input_dict: Maps input keys to lists of artifacts:
            - model: The model to push.
            - model_blessing: Blessing artifact of the Evaluator.
            - infra_blessing: Blessing artifact of ServingCheck.
          output_dict: Maps output keys to lists of artifacts:
            - pushed_model: A copy of the model, with properties that name the pushed version.
          exec_properties: The execution properties:
            - push_destination: A `PushDestination` as JSON, which names the push folder.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = json.loads(exec_properties[PUSH_DESTINATION_KEY])["filesystem"]
        model = self.GetModelPath(input_dict)
        version = push_model(model, destination["base_directory"])
        io_utils.copy_dir(model, pushed.uri)
        self._MarkPushed(
            pushed, pushed_destination=version, pushed_version=version.rpartition("/")[2]
        )


class Pusher(tfx.components.Pusher):
    """TFX's Pusher with an executor that pushes only complete versions."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
