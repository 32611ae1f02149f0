"""Builds responses with the model's status and signatures, as TF Serving messages or JSON."""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving.server.version import Version
from serving.server.versions import Versions

SIGNATURES = "signature_def"
"""The only metadata field that TF Serving supports."""


def status_response(versions: Versions, name: str, version: int | None) -> Any:
    """Returns the status of one version of the model, or of all versions.

    Args:
      versions: Versions of the model that are known to the server.
      name: Model name in the request.
      version: Version number; None for all versions.

    Returns:
      A GetModelStatusResponse.

    Raises:
      RequestError: The server has another model, or has not seen this version since it started.
    """
    return get_model_status_pb2.GetModelStatusResponse(
        model_version_status=versions.statuses(name, version)
    )


def metadata_response(name: str, version: Version) -> Any:
    """Returns the signatures of one version of the model.

    Args:
      name: Name of the model.
      version: The loaded version.

    Returns:
      A GetModelMetadataResponse.
    """
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = name
    response.model_spec.version.value = version.number
    response.metadata[SIGNATURES].Pack(_signatures(version))
    return response


def status_json(response: Any) -> bytes:
    """Converts a GetModelStatusResponse to the JSON format of TF Serving's REST interface."""
    return _json(_as_dict(response))


def metadata_json(name: str, version: Version) -> bytes:
    """Converts the signatures of a version to the JSON format of TF Serving's REST interface."""
    spec = {"name": name, "signature_name": "", "version": str(version.number)}
    signatures = _as_dict(_signatures(version))
    return _json({"model_spec": spec, "metadata": {SIGNATURES: signatures}})


def _signatures(version: Version) -> Any:
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in version.model.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    return signatures


def _as_dict(message: Any) -> dict[str, Any]:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
