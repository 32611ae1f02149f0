"""Translates between the launcher of Kubeflow Pipelines 2 and TFX's entry point for a step.

TFX 1.21 expects Vertex AI, where a step reads and writes the bucket itself. On Kubeflow Pipelines,
a launcher in the same container downloads the input artifacts to local folders before the step, and
uploads the output artifacts from local folders after the step. This module replaces the URIs by the
local paths, so that TFX does not access the store. The store may therefore also be on `s3://` or
`minio://`, which TensorFlow cannot read.
"""

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

_POD = "KFP_POD_NAME"  # an environment variable that only Kubeflow Pipelines sets
_EXECUTOR_INPUT = "--json_serialized_invocation_args"
_INPUTS_SPEC = "--json_serialized_inputs_spec_args"
_LOGS = "executor-logs"
_LOCAL_FOLDERS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/"}


def is_launched() -> bool:
    """Returns whether the launcher of Kubeflow Pipelines has started this process."""
    return _POD in os.environ


class LaunchedStep:
    """A step that the launcher of Kubeflow Pipelines has started."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Parses the arguments of the step.

        Args:
          arguments: Arguments for TFX's entry point, as the launcher passes them.
        """
        self._arguments = list(arguments)
        self._input = pipeline_spec_pb2.ExecutorInput()
        json_format.Parse(self._arguments[self._index(_EXECUTOR_INPUT)], self._input)
        self._sources = {
            _local_path(artifact.uri): (artifact.uri, artifact.name)
            for artifacts in self._input.inputs.artifacts.values()
            for artifact in artifacts.artifacts
        }

    def prepare(self) -> list[str]:
        """Creates the output folders, and returns the translated arguments for TFX's entry point.

        In the returned arguments, all artifacts have local paths instead of URIs, and the input
        artifacts have types.
        """
        inputs, outputs = self._input.inputs, self._input.outputs
        spec = pipeline_spec_pb2.ComponentInputsSpec()
        json_format.Parse(self._arguments[self._index(_INPUTS_SPEC)], spec)
        for key, artifacts in inputs.artifacts.items():
            for artifact in artifacts.artifacts:
                # The driver of Kubeflow Pipelines passes an empty type, from which TFX cannot
                # create an artifact.
                artifact.type.CopyFrom(spec.artifacts[key].artifact_type)
                artifact.uri = _local_path(artifact.uri)
        # The driver adds an output for the log, with a type that TFX cannot import.
        if _LOGS in outputs.artifacts:
            del outputs.artifacts[_LOGS]
        for key, artifacts in outputs.artifacts.items():
            for artifact in artifacts.artifacts:
                artifact.uri = _local_path(artifact.uri)
                # TFX expects that the folders of outputs exist, but the launcher creates only their
                # parent folders. An artifact that is also a parameter is a file, not a folder.
                if key not in outputs.parameters:
                    Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        self._arguments[self._index(_EXECUTOR_INPUT)] = json_format.MessageToJson(self._input)
        return self._arguments

    def finish(self) -> None:
        """Rewrites the file in which TFX's entry point describes the outputs, for the launcher."""
        path = Path(self._input.outputs.output_file)
        output = pipeline_spec_pb2.ExecutorOutput()
        json_format.Parse(path.read_text(), output)
        for artifacts in output.artifacts.values():
            for artifact in artifacts.artifacts:
                # If the file contains no URI, the launcher uploads the artifact to the URI that the
                # driver chose. A local path would be recorded in ML Metadata, without an upload.
                artifact.ClearField("uri")
                self._restore_sources(artifact.metadata.fields)
        path.write_text(json_format.MessageToJson(output))

    def _restore_sources(self, metadata: MutableMapping[str, Any]) -> None:
        """Replaces local paths of input artifacts in metadata by the URIs of the artifacts.

        For example, the metadata of a blessing contain the path of the blessed model, which exists
        only in this pod. Where a property such as `current_model` holds the path, the property
        `current_model_id` holds the artifact's ID. TFX computes this ID as a hash that is too large
        for a number in JSON, so the ID from ML Metadata replaces the hash.

        Args:
          metadata: Metadata of an output artifact, changed in place.
        """
        for key, value in metadata.items():
            if value.string_value in self._sources:
                value.string_value, name = self._sources[value.string_value]
                if f"{key}_id" in metadata:
                    metadata[f"{key}_id"].string_value = name

    def _index(self, name: str) -> int:
        return self._arguments.index(name) + 1


def _local_path(uri: str) -> str:
    """Returns the path at which the launcher stores an artifact in the container.

    Args:
      uri: URI of the artifact. A URI of any other store, or a path, is returned unchanged.
    """
    for scheme, folder in _LOCAL_FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri
