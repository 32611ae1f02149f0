"""Server side of TF Serving's gRPC interface, with TF Serving's message types."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from serving.server import metadata
from serving.server.errors import Code, RequestError
from serving.server.predictor import RequestPredictor
from serving.server.tensors import arrays_of, check_names, proto_of
from serving.server.version import Version
from serving.server.versions import Versions
from serving.server.wire_format import PREDICT_REQUEST, Fields, check_fields
from serving.signature import SIGNATURE

_Method = Callable[[Any, Any], Awaitable[Any]]


class GrpcService(NamedTuple):
    """The server's gRPC interface. Calls to unsupported methods fail with UNIMPLEMENTED.

    Attributes:
      versions: Versions of the model that are known to the server.
      predictor: Object that runs the prediction requests.
    """

    versions: Versions
    predictor: RequestPredictor

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Returns the gRPC handlers of TF Serving's prediction service and model status service."""
        metadata_request = get_model_metadata_pb2.GetModelMetadataRequest
        status_request = get_model_status_pb2.GetModelStatusRequest
        return [
            _service(
                "PredictionService",
                {
                    "Predict": (self._predict, predict_pb2.PredictRequest, PREDICT_REQUEST),
                    "GetModelMetadata": (self._metadata, metadata_request, {}),
                },
            ),
            _service("ModelService", {"GetModelStatus": (self._status, status_request, {})}),
        ]

    async def _predict(self, request: Any, context: Any) -> Any:
        return await self.predictor.admit(
            "gRPC",
            lambda deadline: self._predict_until(request, deadline),
            context.time_remaining(),
        )

    async def _predict_until(self, request: Any, deadline: float) -> Any:
        with self.predictor.slot():
            return await self._respond(request, deadline)

    async def _respond(self, request: Any, deadline: float) -> Any:
        version = self._version(_model_spec(request))
        name = request.model_spec.signature_name or SIGNATURE
        with version.lease():
            signature = version.model.signature(name)
            check_names(request.inputs, signature, name)
            known = set(signature.outputs)
            _check_filter(request.output_filter, known)
            inputs = await asyncio.to_thread(arrays_of, request.inputs, self.predictor.limits.body)
            outputs = await self.predictor.run(version, name, inputs, deadline)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.versions.name
        response.model_spec.version.value = version.number
        response.model_spec.signature_name = name
        for key in set(request.output_filter) or known:
            proto = await asyncio.to_thread(proto_of, outputs[key])
            response.outputs[key].CopyFrom(proto)
        return response

    async def _metadata(self, request: Any, context: Any) -> Any:
        spec = _model_spec(request)
        if not request.metadata_field:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                "GetModelMetadataRequest must specify at least one metadata_field",
            )
        for field in request.metadata_field:
            if field != metadata.SIGNATURES:
                raise RequestError(
                    Code.INVALID_ARGUMENT,
                    f"Metadata field {field} is not supported, only {metadata.SIGNATURES}",
                )
        return metadata.metadata_response(self.versions.name, self._version(spec))

    async def _status(self, request: Any, context: Any) -> Any:
        spec = _model_spec(request)
        # TF Serving ignores the label (`get_model_status_impl.cc`).
        number, _ = _version_choice(spec)
        return metadata.status_response(self.versions, spec.name, number)

    def _version(self, spec: Any) -> Version:
        if not spec.name:
            raise RequestError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        number, label = _version_choice(spec)
        self.versions.check_name(spec.name, number)
        return self.versions.find(number, label)


def _model_spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise RequestError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    return request.model_spec


def _check_filter(wanted: Sequence[str], known: Collection[str]) -> None:
    for position, key in enumerate(wanted):
        if key not in known:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {key} Outputs expected to be in the "
                f"set {{{','.join(sorted(known))}}}.",
            )
        if key in wanted[:position]:
            raise RequestError(Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {key}")


def _version_choice(spec: Any) -> tuple[int | None, str | None]:
    """Returns the version number and the version label in a request, each None if missing."""
    kind = spec.WhichOneof("version_choice")
    number = spec.version.value if kind == "version" else None
    return number, spec.version_label if kind == "version_label" else None


def _service(
    name: str, methods: Mapping[str, tuple[_Method, Any, Fields]]
) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        f"tensorflow.serving.{name}",
        {
            method: grpc.unary_unary_rpc_method_handler(
                _with_status(handle, request, fields),
                response_serializer=lambda response: response.SerializeToString(),
            )
            for method, (handle, request, fields) in methods.items()
        },
    )


def _with_status(handle: _Method, kind: Any, fields: Fields) -> _Method:
    """Wraps a handler to receive the encoded request, and to return errors as a gRPC status.

    Args:
      handle: Function that takes the request and the gRPC context, and returns the response.
      kind: Class of the request.
      fields: Fields of the request that may be many or large (see `wire_format`).
    """

    async def handle_errors(message: bytes, context: Any) -> Any:
        try:
            request = await asyncio.to_thread(_parse, message, kind, fields)
            return await handle(request, context)
        except RequestError as error:
            await context.abort(error.code.status, str(error))

    return handle_errors


def _parse(message: bytes, kind: Any, fields: Fields) -> Any:
    check_fields([message], fields)
    try:
        return kind.FromString(message)
    except DecodeError as error:  # gRPC for C++ responds with this status, too
        raise RequestError(Code.INTERNAL, f"not a {kind.DESCRIPTOR.name}: {error}") from error
