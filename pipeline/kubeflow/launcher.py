"""Translates between the launcher of Kubeflow Pipelines 2 and TFX's entry point of a step.

TFX 1.21 expects Vertex AI, where a step reads and writes the bucket itself. On Kubeflow Pipelines,
a launcher in the same container downloads the input artifacts to local folders before the step, and
uploads the output artifacts from local folders after the step. With the local paths in place of the
URIs, TFX needs no file system for the store, which may also be on `s3://` or `minio://`.
"""

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

_POD = "KFP_POD_NAME"  # only Kubeflow Pipelines sets this environment variable
_EXECUTOR_INPUT = "--json_serialized_invocation_args"
_INPUTS_SPEC = "--json_serialized_inputs_spec_args"
_LOGS = "executor-logs"
_LOCAL_FOLDERS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/"}


def is_launched() -> bool:
    """Returns whether the launcher of Kubeflow Pipelines has started this process."""
    return _POD in os.environ


class LaunchedStep:
    """A step that the launcher has started."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Parses the arguments of the step.

        Args:
          arguments: Arguments of TFX's entry point, as the launcher passes them.
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
        """Makes the output folders, and returns the arguments for TFX's entry point."""
        inputs, outputs = self._input.inputs, self._input.outputs
        spec = pipeline_spec_pb2.ComponentInputsSpec()
        json_format.Parse(self._arguments[self._index(_INPUTS_SPEC)], spec)
        for key, artifacts in inputs.artifacts.items():
            for artifact in artifacts.artifacts:
                # The driver passes an empty type, from which TFX cannot make an artifact.
                artifact.type.CopyFrom(spec.artifacts[key].artifact_type)
                artifact.uri = _local_path(artifact.uri)
        # The driver adds this output for the log, with a type that TFX does not know.
        if _LOGS in outputs.artifacts:
            del outputs.artifacts[_LOGS]
        for key, artifacts in outputs.artifacts.items():
            for artifact in artifacts.artifacts:
                artifact.uri = _local_path(artifact.uri)
                # TFX's runners make the folders of outputs, but this launcher makes only their
                # parents. An artifact that is also a parameter is a file.
                if key not in outputs.parameters:
                    Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        self._arguments[self._index(_EXECUTOR_INPUT)] = json_format.MessageToJson(self._input)
        return self._arguments

    def finish(self) -> None:
        """Rewrites the output file of the step for the launcher."""
        path = Path(self._input.outputs.output_file)
        output = pipeline_spec_pb2.ExecutorOutput()
        json_format.Parse(path.read_text(), output)
        for artifacts in output.artifacts.values():
            for artifact in artifacts.artifacts:
                # Without a URI, the launcher uploads the files and keeps its own URI. It would only
                # record a local path.
                artifact.ClearField("uri")
                self._restore_sources(artifact.metadata.fields)
        path.write_text(json_format.MessageToJson(output))

    def _restore_sources(self, metadata: MutableMapping[str, Any]) -> None:
        """Replaces local paths of input artifacts in metadata, such as the model of a blessing.

        Other pods do not have the local path. TFX's id, in the property beside the path, is a hash,
        of which a number in JSON cannot hold all digits: the id in ML Metadata replaces it.

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
    """Returns the path at which the launcher puts an artifact; other paths are returned as is."""
    for scheme, folder in _LOCAL_FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri
