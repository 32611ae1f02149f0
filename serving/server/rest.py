"""Server side of TF Serving's REST interface, with health checks, metrics and the web page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.server import metadata, metrics, page
from serving.server.bodies import Bodies
from serving.server.errors import Code, RequestError
from serving.server.json_format import write_error
from serving.server.json_worker import JsonWorker
from serving.server.metrics import ServerMetrics
from serving.server.predictor import RequestPredictor
from serving.server.rest_paths import Target, is_api_path, parse_path
from serving.server.same_origin import SameOrigin
from serving.server.versions import Versions

_JSON = "application/json"
# TF Serving's HTTP server passes these methods on, and its REST interface refuses most of them.
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")


class Rest(NamedTuple):
    """The server's REST interface.

    Attributes:
      versions: Versions of the model that are known to the server.
      predictor: Object that runs the prediction requests.
      bodies: Reader of the request bodies.
      json: Process that handles large JSON documents.
      metrics: Metrics of the server.
      hosts: Names under which clients may reach the server (see `SameOrigin`).
    """

    versions: Versions
    predictor: RequestPredictor
    bodies: Bodies
    json: JsonWorker
    metrics: ServerMetrics
    hosts: Sequence[str] = ()

    def application(self) -> Starlette:
        """Returns the ASGI application, which handles all HTTP requests."""
        return Starlette(
            routes=[
                Route(metrics.PATH, self._metrics),
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                *page.routes(self.versions, self.predictor.limits),
                Route("/{path:path}", _in_json(self._handle), methods=_METHODS),
            ],
            middleware=[Middleware(SameOrigin, self.hosts)],
            exception_handlers={404: _not_found, 405: _not_implemented, Exception: _failed},
        )

    async def _handle(self, request: Request) -> Response:
        query = request.scope["query_string"]
        path = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin1")
        if not is_api_path(path):
            return await _not_found(request)
        target = parse_path(request.method, path)
        if request.method == "POST":
            body = await self.predictor.admit(
                "REST", lambda deadline: self._predict(request, target, deadline)
            )
        else:
            body = self._status_or_metadata(target)
        return Response(body, media_type=_JSON)

    async def _predict(self, request: Request, target: Target, deadline: float) -> bytes:
        if target.verb != "predict":
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"{target.verb}: this model has no such signature; use predict",
            )
        async with self.bodies.read(request) as body:
            with self.predictor.slot():
                return await self._respond(body, target, deadline)

    async def _respond(self, body: bytes, target: Target, deadline: float) -> bytes:
        self.versions.check_name(target.name, target.version)
        version = self.versions.find(target.version, target.label)
        with version.lease():
            parsed = await self.json.read(body, version.model.input_types)
            outputs = await self.predictor.run(
                version, parsed.signature_name, parsed.inputs, deadline
            )
            return await self.json.write(outputs, in_rows=parsed.in_rows)

    def _status_or_metadata(self, target: Target) -> bytes:
        if not target.name:
            raise RequestError(Code.INVALID_ARGUMENT, "Missing model name in request.")
        if target.verb == "metadata":
            self.versions.check_name(target.name, target.version)
            version = self.versions.find(target.version, target.label)
            return metadata.metadata_json(target.name, version)
        # TF Serving ignores the label (`get_model_status_impl.cc`).
        return metadata.status_json(
            metadata.status_response(self.versions, target.name, target.version)
        )

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _alive(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, request: Request) -> Response:
        try:
            self.versions.find()
        except RequestError:
            return PlainTextResponse("no version is served yet\n", Code.UNAVAILABLE.http)
        return PlainTextResponse("ok\n")


def _in_json(
    handle: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a handler so that a `RequestError` becomes a JSON response, as in TF Serving."""

    async def handle_errors(request: Request) -> Response:
        try:
            return await handle(request)
        except RequestError as error:
            return _error(error.code, str(error))

    return handle_errors


async def _not_found(request: Request, error: Exception | None = None) -> Response:
    return _error(Code.NOT_FOUND, f"{request.method} {request.url.path}: no such path")


async def _not_implemented(request: Request, error: Exception) -> Response:
    return _error(Code.UNIMPLEMENTED, f"{request.method}: no such method")


async def _failed(request: Request, error: Exception) -> Response:
    return _error(Code.INTERNAL, f"the server failed: {type(error).__name__}: {error}")


def _error(code: Code, message: str) -> Response:
    # With these codes, the server may not have read the whole request body, so the connection
    # cannot be reused.
    headers = {"Connection": "close"} if code in (Code.TOO_LARGE, Code.TOO_MANY_REQUESTS) else None
    return Response(write_error(message), code.http, headers, _JSON)
