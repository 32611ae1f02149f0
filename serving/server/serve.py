"""Starts and stops the local server, with its ports, folder watcher and signal handlers."""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
import uvicorn

from data.errors import InputError
from serving.request_log import RequestLog
from serving.server.bodies import Bodies
from serving.server.connections import Connection, allowed_connections
from serving.server.grpc_service import GrpcService
from serving.server.json_worker import JsonWorker
from serving.server.limits import Limits
from serving.server.metrics import ServerMetrics
from serving.server.predictor import RequestPredictor
from serving.server.rest import Rest
from serving.server.versions import Versions
from serving.server.watcher import Watcher

log = logging.getLogger(__name__)
# Maximum number of connections that asyncio accepts at once, before the server can close others.
_BACKLOG = 128
_QUEUE = 2048  # maximum number of connections that wait to be accepted
_HANDSHAKE_SECONDS, _IDLE_SECONDS = 10, 60  # time limits of gRPC connections
_POLL_SECONDS = 1.0  # seconds between polls of the push folder; also the default in TF Serving


class ServerSettings(NamedTuple):
    """Settings of the local server.

    Attributes:
      name: Name of the model in URLs and requests.
      folder: Push folder, with a numbered sub-folder for each version.
      host: Address to listen on.
      rest_port: Port for REST and the web page; 0 for any free port.
      grpc_port: Port for gRPC; 0 for any free port.
      labels: Version numbers, keyed by label (such as `stable`). These versions are served in
        addition to the newest version.
      limits: Limits on body size, number of requests, request time and batch size.
      hosts: Names under which browsers may reach the server, in addition to `host`, `localhost`,
        the name of this machine and IP addresses.
      log: Folder for the log of the requests (see `RequestLog`); None for no log.
      log_images: Share of the images that the log keeps, above 0 and at most 1; None for none.
    """

    name: str
    folder: str
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    labels: Mapping[str, int] = {}
    limits: Limits = Limits()
    hosts: Sequence[str] = ()
    log: Path | None = None
    log_images: float | None = None


class LocalServer:
    """The local model server, which runs in the event loop in which `start` is called.

    Attributes:
      rest: Host and port of the REST interface and the web page; empty until `start` is called.
      grpc: Host and port of the gRPC interface; empty until `start` is called.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Creates a server that does not yet listen for requests.

        Args:
          settings: Model, address, ports and limits of the server.

        Raises:
          InputError: The folder of the log cannot be created.
        """
        self._settings = settings
        self._log = RequestLog(settings.log, settings.log_images) if settings.log else None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="model")
        metrics = ServerMetrics(settings.limits.batch)
        self._versions = Versions(settings.name, settings.labels)
        self._watcher = Watcher(
            self._versions, settings.folder, settings.limits, metrics, self._executor
        )
        self._predictor = RequestPredictor(settings.limits, metrics, self._executor, self._log)
        self._bodies = Bodies(settings.limits.body)
        self._json = JsonWorker()
        self._connections = allowed_connections(settings.limits.connections)
        self._metrics = metrics
        self.rest = self.grpc = ""

    async def start(self) -> None:
        """Starts listening on both ports and watching the push folder.

        Raises:
          InputError: A port is in use, or the host is not an address of this machine.
        """
        settings = self._settings
        listening = _listen(settings.host, settings.rest_port)
        try:
            self._grpc_server, grpc_port = self._make_grpc_server()
            await self._grpc_server.start()
        except BaseException:
            listening.close()
            raise
        self.rest = _address(settings.host, listening.getsockname()[1])
        self.grpc = _address(settings.host, grpc_port)
        hosts = (settings.host, *settings.hosts)
        application = Rest(
            self._versions, self._predictor, self._bodies, self._json, self._metrics, hosts
        ).application()
        self._rest_server = _RestServer(
            uvicorn.Config(
                application,
                http=partial(Connection, self._connections, {}),  # type: ignore[arg-type]
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                backlog=_BACKLOG,
                timeout_graceful_shutdown=math.ceil(settings.limits.seconds),
            )
        )
        self._tasks = [
            asyncio.create_task(self._rest_server.serve([listening])),
            asyncio.create_task(self._watcher.watch(_POLL_SECONDS)),
        ]

    async def stop(self) -> None:
        """Stops accepting requests, completes those in progress, and unloads all versions."""
        serving, watching = self._tasks
        watching.cancel()
        self._rest_server.should_exit = True
        await asyncio.gather(self._grpc_server.stop(self._settings.limits.seconds), serving)
        await self._watcher.close()
        await self._json.close()
        self._executor.shutdown()
        if self._log:
            await asyncio.to_thread(self._log.close)

    def _make_grpc_server(self) -> tuple[grpc.aio.Server, int]:
        settings = self._settings
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.limits.body),
                ("grpc.max_send_message_length", -1),
                # Without this option, a second server could listen on the same port and receive
                # half of the calls.
                ("grpc.so_reuseport", 0),
                # Without time limits, connections that do nothing would keep others out.
                ("grpc.max_allowed_incoming_connections", self._connections),
                ("grpc.server_handshake_timeout_ms", 1000 * _HANDSHAKE_SECONDS),
                ("grpc.max_connection_idle_ms", 1000 * _IDLE_SECONDS),
            ]
        )
        server.add_generic_rpc_handlers(GrpcService(self._versions, self._predictor).handlers())
        try:
            port = server.add_insecure_port(_address(settings.host, settings.grpc_port))
        except RuntimeError as error:
            raise _taken("--grpc-port", settings.host, settings.grpc_port) from error
        return server, port


def serve(settings: ServerSettings) -> None:
    """Runs the server until SIGTERM or SIGINT, then completes the requests in progress.

    Args:
      settings: Model, address, ports and limits of the server.

    Raises:
      InputError: A port is in use, the host is not an address of this machine, or the folder of the
        log cannot be created.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: ServerSettings) -> None:
    log.info(
        "local server for development and demos; use TF Serving in production (docs/serving.md)"
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, ended.set)
    server = LocalServer(settings)
    await server.start()
    log.info(
        "page http://%s/   REST http://%s/v1/models/%s   gRPC %s",
        server.rest,
        server.rest,
        settings.name,
        server.grpc,
    )
    await ended.wait()
    log.info("stopping after the running requests; Ctrl-C or SIGTERM again stops at once")
    for number in signals:
        loop.remove_signal_handler(number)
    await server.stop()


class _RestServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets more connections wait than asyncio accepts at once."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_QUEUE)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signal handling to `serve`, because uvicorn's handler would end the process."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _taken("--rest-port", host, port) from error
    # asyncio does not set TCP_NODELAY for this socket, so the option is set here, and accepted
    # connections inherit it. Without TCP_NODELAY, a response body would be delayed by 40 ms, until
    # the client acknowledges the headers.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _taken(option: str, host: str, port: int) -> InputError:
    return InputError(
        f"{_address(host, port)}: cannot listen on this address (is another server using it?). "
        f"Choose a different port with {option}, or a different address with --host"
    )
