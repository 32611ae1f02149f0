"""Builds and parses TF Serving's gRPC messages (tensorflow_serving/apis/*.proto) for the client.

The messages contain TensorFlow message types, so importing this module also imports TensorFlow,
which takes a few seconds.
"""

from collections.abc import Sequence
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.client.protocol import ModelAddress, VersionStatus
from serving.signature import IMAGES, SIGNATURE

_SIGNATURES = "signature_def"  # the only metadata field that TF Serving supports


class Calls:
    """Makes gRPC calls with Python arguments and results. Any method may raise `grpc.RpcError`."""

    def __init__(self, channel: grpc.Channel, model: ModelAddress, timeout: float) -> None:
        """Prepares the calls without connecting to the server.

        Args:
          channel: gRPC channel to the server.
          model: Name and version of the model to use.
          timeout: Maximum duration of a call, in seconds.
        """
        self._predict = PredictionServiceStub(channel).Predict
        self._get_metadata = PredictionServiceStub(channel).GetModelMetadata
        self._get_status = ModelServiceStub(channel).GetModelStatus
        self._model = model
        self._timeout = timeout

    def predict(self, images: Sequence[bytes]) -> dict[str, list[Any]]:
        """Segments images and returns the outputs, keyed by name; see `Transport`."""
        spec = self._spec()
        spec.signature_name = SIGNATURE
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.inputs[IMAGES].CopyFrom(tf.make_tensor_proto(list(images), tf.string))
        response = self._predict(request, timeout=self._timeout)
        return {name: list(tf.make_ndarray(value)) for name, value in response.outputs.items()}

    def output_shapes(self) -> dict[str, list[int]]:
        """Returns the shapes of the `serving_default` outputs, keyed by name; see `Transport`."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=[_SIGNATURES]
        )
        response = self._get_metadata(request, timeout=self._timeout)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[_SIGNATURES].Unpack(signatures)
        outputs = signatures.signature_def[SIGNATURE].outputs
        return {
            name: [size.size for size in output.tensor_shape.dim]
            for name, output in outputs.items()
        }

    def status(self) -> list[VersionStatus]:
        """Returns the status of the model's versions; see `Transport`."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        response = self._get_status(request, timeout=self._timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            VersionStatus(version.version, states.Name(version.state), version.status.error_message)
            for version in response.model_version_status
        ]

    def _spec(self) -> ModelSpec:
        spec = ModelSpec(name=self._model.name)
        if self._model.version is not None:
            spec.version.value = self._model.version
        elif self._model.label is not None:
            spec.version_label = self._model.label
        return spec
