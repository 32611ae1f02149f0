"""TF Serving's gRPC interface, from the client's side (tensorflow_serving/apis/*.proto).

TF Serving's messages hold TensorFlow's own, so this module loads TensorFlow: several seconds. Over
REST, nothing needs it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.protocol import (
    CONNECT_TIMEOUT,
    IMAGES,
    SIGNATURE,
    ModelAddress,
    ServingError,
    VersionStatus,
)

_OPTIONS = [
    # Images and masks may be larger than the 4 MiB that gRPC allows otherwise.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that restarts is soon back; gRPC's own patience grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class GrpcTransport:
    """Speaks protocol buffers over HTTP/2. Threads may share it."""

    def __init__(self, target: str, model: ModelAddress, timeout: float) -> None:
        """Connects nothing yet.

        Args:
          target: `host:8500`.
          model: The model.
          timeout: Seconds that a request may take.
        """
        self._url = f"grpc://{target}"
        self._model = model
        self._timeout = timeout
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._was_reached = False
        self._predict = PredictionServiceStub(self._channel).Predict
        self._get_status = ModelServiceStub(self._channel).GetModelStatus

    def predict(self, images: Sequence[bytes]) -> Mapping[str, Sequence[Any]]:
        """See `Transport`."""
        spec = self._spec()
        spec.signature_name = SIGNATURE
        if self._model.label is not None:
            spec.version_label = self._model.label
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.inputs[IMAGES].CopyFrom(tf.make_tensor_proto(list(images), tf.string))
        answer = self._ask(self._predict, request)
        return {name: list(tf.make_ndarray(value)) for name, value in answer.outputs.items()}

    def status(self) -> list[VersionStatus]:
        """See `Transport`."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        answer = self._ask(self._get_status, request)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            VersionStatus(found.version, states.Name(found.state), found.status.error_message)
            for found in answer.model_version_status
        ]

    def close(self) -> None:
        """See `Transport`."""
        self._channel.close()

    def _spec(self) -> ModelSpec:
        spec = ModelSpec(name=self._model.name)
        if self._model.version is not None:
            spec.version.value = self._model.version
        return spec

    def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        self._reach()
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or ""
            raise ServingError(
                self._url,
                f"{status.name} for the model {self._model.name}: {details}",
                status,
                # The same message would be too large again.
                passing=False if "larger than max" in details else None,
            ) from error

    def _reach(self) -> None:
        """Waits for the first connection: a request would wait for a silent host to its end."""
        if self._was_reached:
            return
        try:
            grpc.channel_ready_future(self._channel).result(min(self._timeout, CONNECT_TIMEOUT))
        except grpc.FutureTimeoutError as error:
            raise ServingError(
                self._url,
                "cannot be reached (no connection)",
                grpc.StatusCode.UNAVAILABLE,
                passing=False,
            ) from error
        self._was_reached = True
