"""The Pusher component, which pushes complete versions of blessed models, with their cards."""

import json
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_component_specs import (
    EVALUATION_KEY,
    EXAMPLES_KEY,
    INFRA_BLESSING_KEY,
    MODEL_BLESSING_KEY,
    MODEL_KEY,
    PUSH_DESTINATION_KEY,
    PUSHED_MODEL_KEY,
)
from tfx.utils import io_utils

from components.card.making import CardInputs, make_card
from data.config.base import Strict
from data.files.paths import join
from data.files.writing import write_text
from serving.card.config import CardConfig
from serving.card.files import pushed_card_files
from serving.model.push import push_model

_SETTINGS = "settings"
# Inputs that the card describes, in the order of `CardInputs`
_DESCRIBED = (EXAMPLES_KEY, MODEL_KEY, EVALUATION_KEY, MODEL_BLESSING_KEY, INFRA_BLESSING_KEY)


class PusherSettings(Strict):
    """Settings of the Pusher.

    Attributes:
      name: Name of the model.
      card: The `card` section of the config.
    """

    name: str
    card: CardConfig


class _Spec(ComponentSpec):
    artifacts = tfx.types.standard_artifacts
    PARAMETERS = {  # noqa: RUF012
        PUSH_DESTINATION_KEY: ExecutionParameter(type=tfx.proto.PushDestination),
        _SETTINGS: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        EXAMPLES_KEY: ChannelParameter(type=artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=artifacts.Model),
        EVALUATION_KEY: ChannelParameter(type=artifacts.ModelEvaluation),
        MODEL_BLESSING_KEY: ChannelParameter(type=artifacts.ModelBlessing),
        INFRA_BLESSING_KEY: ChannelParameter(type=artifacts.InfraBlessing),
    }
    OUTPUTS = {PUSHED_MODEL_KEY: ChannelParameter(type=artifacts.PushedModel)}  # noqa: RUF012


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
        """Pushes the model and its card if both the Evaluator and ServingCheck have blessed it.

        Args:
          input_dict: Maps input keys to lists of artifacts:
            - examples: The examples, which the card describes.
            - model: The model to push.
            - evaluation: Results of the Evaluator, for the card.
            - model_blessing: Blessing artifact of the Evaluator.
            - infra_blessing: Blessing artifact of ServingCheck.
          output_dict: Maps output keys to lists of artifacts:
            - pushed_model: A copy of the model and its card, with properties that name the pushed
              version.
          exec_properties: The execution properties:
            - push_destination: A `PushDestination` as JSON, which names the push folder.
            - settings: A `PusherSettings` as JSON.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = json.loads(exec_properties[PUSH_DESTINATION_KEY])["filesystem"]
        settings = PusherSettings.model_validate_json(exec_properties[_SETTINGS])
        card = make_card(
            CardInputs(*(input_dict[key][0] for key in _DESCRIBED)), settings.name, settings.card
        )
        model = self.GetModelPath(input_dict)
        version = push_model(model, destination["base_directory"], card)
        io_utils.copy_dir(model, pushed.uri)
        for path, text in pushed_card_files(card).items():
            write_text(join(pushed.uri, path), text)
        self._MarkPushed(
            pushed, pushed_destination=version, pushed_version=version.rpartition("/")[2]
        )


class Pusher(base_component.BaseComponent):
    """Pushes complete versions of blessed models, each with its model card.

    The component has the inputs, the parameter and the output of TFX's Pusher, and needs the
    examples and the evaluation for the card.
    """

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        evaluation: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        push_destination: tfx.proto.PushDestination,
        settings: PusherSettings,
    ) -> None:
        """Creates the component.

        Args:
          examples: Channel with the examples.
          model: Channel with the model to push.
          evaluation: Channel with the results of the Evaluator.
          model_blessing: Channel with the blessing of the Evaluator.
          infra_blessing: Channel with the blessing of ServingCheck.
          push_destination: The push folder.
          settings: Settings of the Pusher.
        """
        super().__init__(
            _Spec(
                examples=examples,
                model=model,
                evaluation=evaluation,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                settings=settings.model_dump_json(),
                pushed_model=types.Channel(type=tfx.types.standard_artifacts.PushedModel),
            )
        )
