"""Server side of TF Serving's REST interface, with health checks, metrics and the web page."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.model.versions import GREATEST_VERSION
from serving.server import metadata, metrics, page
from serving.server.bodies import Bodies
from serving.server.errors import Code, RequestError
from serving.server.json_format import write_error
from serving.server.json_worker import JsonWorker
from serving.server.metrics import ServerMetrics
from serving.server.predictor import RequestPredictor
from serving.server.same_origin import SameOrigin
from serving.server.versions import Versions

_JSON = "application/json"
# Regular expressions for the REST paths, as in TF Serving.
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<verb>classify|regress|predict)", re.I
)
_STATUS = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?", re.I)


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
                Route("/v1/{rest:path}", _in_json(self._handle), methods=["GET", "POST"]),
                Route(metrics.PATH, self._metrics),
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                *page.routes(self.versions, self.predictor.limits),
            ],
            middleware=[Middleware(SameOrigin, self.hosts)],
            exception_handlers={404: _not_found, 405: _not_found, Exception: _failed},
        )

    async def _handle(self, request: Request) -> Response:
        path = request.url.path
        match = (_PREDICT if request.method == "POST" else _STATUS).fullmatch(path)
        if match is None:
            raise RequestError(Code.INVALID_ARGUMENT, f"Malformed request: {request.method} {path}")
        target = match.groupdict()
        if request.method == "POST":
            body = await self.predictor.admit(
                "REST", lambda deadline: self._predict(request, target, deadline)
            )
        else:
            body = self._status_or_metadata(target)
        return Response(body, media_type=_JSON)

    async def _predict(
        self, request: Request, target: Mapping[str, str | None], deadline: float
    ) -> bytes:
        if target["verb"] != "predict":
            raise RequestError(
                Code.UNIMPLEMENTED,
                f"{target['verb']}: this model has no such signature; use predict",
            )
        async with self.bodies.read(request) as body:
            with self.predictor.slot():
                return await self._respond(body, target, deadline)

    async def _respond(
        self, body: bytes, target: Mapping[str, str | None], deadline: float
    ) -> bytes:
        number = _number(target["version"])
        self.versions.check_name(target["name"] or "", number)
        version = self.versions.find(number, target["label"])
        with version.lease():
            parsed = await self.json.read(body, version.model.input_types)
            outputs = await self.predictor.run(
                version, parsed.signature_name, parsed.inputs, deadline
            )
            return await self.json.write(outputs, in_rows=parsed.in_rows)

    def _status_or_metadata(self, target: Mapping[str, str | None]) -> bytes:
        name, number, label = target["name"], _number(target["version"]), target["label"]
        if name is None:
            raise RequestError(Code.INVALID_ARGUMENT, "Missing model name in request.")
        if target["metadata"]:
            self.versions.check_name(name, number)
            return metadata.metadata_json(name, self.versions.find(number, label))
        if name != self.versions.name:
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if label is not None:
            number = self.versions.version_of(label)
        return metadata.status_json(metadata.status_response(self.versions, number))

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


async def _not_found(request: Request, error: Exception) -> Response:
    return _error(Code.NOT_FOUND, f"{request.method} {request.url.path}: no such path")


async def _failed(request: Request, error: Exception) -> Response:
    return _error(Code.INTERNAL, f"the server failed: {type(error).__name__}: {error}")


def _error(code: Code, message: str) -> Response:
    # With these codes, the server may not have read the whole request body, so the connection
    # cannot be reused.
    headers = {"Connection": "close"} if code in (Code.TOO_LARGE, Code.TOO_MANY_REQUESTS) else None
    return Response(write_error(message), code.http, headers, _JSON)


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    if len(version) > len(str(GREATEST_VERSION)) or int(version) > GREATEST_VERSION:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric."
        )
    return int(version)
