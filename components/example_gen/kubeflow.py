"""ExampleGen for Kubeflow, where a separate step instead of a driver hashes the data."""

import json
from typing import ClassVar, TypedDict

from tfx import types
from tfx import v1 as tfx
from tfx.components.example_gen import utils
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.dsl.placeholder.placeholder import Placeholder
from tfx.proto import example_gen_pb2
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_component_specs import (
    CUSTOM_CONFIG_KEY,
    EXAMPLES_KEY,
    OUTPUT_DATA_FORMAT_KEY,
)
from tfx.utils import proto_utils

from components.example_gen.executor import Executor
from components.example_gen.settings import ExampleGenSettings
from components.schema_file import edited_schema

FINGERPRINT, SCHEMA = "fingerprint", "schema"
"""Names of LookOutside's outputs: the data fingerprint and the text of an edited schema file."""


class _Outputs(TypedDict):
    fingerprint: str
    schema: str


@component
def LookOutside(
    settings: tfx.dsl.components.Parameter[str],
    schema_file: tfx.dsl.components.Parameter[str],
    beam: tfx.dsl.components.Parameter[str],
) -> _Outputs:
    """Computes the data fingerprint and reads the schema file, so that cache keys include both.

    Args:
      settings: An `ExampleGenSettings` as JSON.
      schema_file: Path of the user's schema file.
      beam: Beam options of the pipeline, as JSON.

    Returns:
      - fingerprint: SHA-256 of the data, in hexadecimal.
      - schema: Text of the schema file; empty if the file does not exist or is unchanged since
        SchemaGen wrote it. SchemaGen writes the file in the first run. With the text of that file,
        SchemaGen would have a different cache key in the second run.

    Raises:
      InputError: The source as a whole cannot be used; for example, its folder does not exist.
    """
    listing = ExampleGenSettings.model_validate_json(settings).update_listing(json.loads(beam))
    return {
        "fingerprint": listing.census.fingerprint,
        # Kubernetes expands `$` in arguments. In a text protobuf, `\044` means the same.
        "schema": edited_schema(schema_file).replace("$", r"\044"),
    }


class _Spec(ComponentSpec):
    PARAMETERS = {  # noqa: RUF012
        CUSTOM_CONFIG_KEY: ExecutionParameter(type=str),
        OUTPUT_DATA_FORMAT_KEY: ExecutionParameter(type=int),
        utils.FINGERPRINT_PROPERTY_NAME: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS = {  # noqa: RUF012
        EXAMPLES_KEY: ChannelParameter(type=tfx.types.standard_artifacts.Examples)
    }


class KubeflowExampleGen(base_beam_component.BaseBeamComponent):
    """PairsExampleGen for Kubeflow, which has no driver and gets the fingerprint as a parameter.

    This class is not a FileBasedExampleGen, because TFX's compiler would then add TFX's own driver,
    which searches for input files. That driver does not support pairs of files and runs only on
    Vertex AI.

    The component has one output:
      - `examples`: Channel of type `standard_artifacts.Examples`; see `PairsExampleGen`.
    """

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: ExampleGenSettings, input_fingerprint: Placeholder) -> None:
        """Creates the component.

        Args:
          settings: Settings of ExampleGen, which include the config's `data` section.
          input_fingerprint: Fingerprint of the data, from LookOutside's output `fingerprint`.
        """
        custom_config = example_gen_pb2.CustomConfig()
        custom_config.custom_config.Pack(settings.as_proto())
        super().__init__(
            _Spec(
                custom_config=proto_utils.proto_to_json(custom_config),
                output_data_format=example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE,
                input_fingerprint=input_fingerprint,
                examples=types.Channel(type=tfx.types.standard_artifacts.Examples),
            )
        )
