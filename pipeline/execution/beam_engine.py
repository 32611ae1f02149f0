"""Checks that the Beam runner is reachable, and passes the Beam options to the components."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from components.engine import ARGUMENTS
from data.errors import InputError, UnavailableError, one_line
from data.http_client import http_client
from pipeline.config.beam import (
    BeamConfig,
    DataflowBeam,
    FlinkBeam,
    LocalBeam,
    PortableBeam,
    SparkBeam,
)

_TIMEOUT = 5  # time limit for a request, in seconds; Beam itself would wait for minutes or for ever


def refuse_unreachable(beam: BeamConfig) -> None:
    """Checks that the Beam runner answers, and that Beam can start its jobs from this machine.

    Requests time out after 5 seconds without an answer, so the check does not take minutes.

    Args:
      beam: The `beam:` section of the config.

    Raises:
      UnavailableError: The runner does not answer, this machine lacks Java or Google credentials,
        or Beam's job server cannot be downloaded.
      InputError: A Beam option is invalid.
    """
    if isinstance(beam, DataflowBeam):
        _check_credentials()
    elif isinstance(beam, PortableBeam):
        _check_job_server(beam.job_server)
    elif isinstance(beam, FlinkBeam):
        _check_flink(beam)
        _check_java(beam)
    elif isinstance(beam, SparkBeam):
        _connect("beam.master", beam.master.removeprefix("spark://"), "Spark master")
        _check_java(beam)


@contextmanager
def out_of_cache(pipeline: Any) -> Iterator[None]:
    """Passes the Beam options to the components in an environment variable, not as parameters.

    TFX's cache key includes the parameters of a component. If the Beam options were parameters, a
    change of the Beam runner would make all Beam components run again.

    Args:
      pipeline: The TFX pipeline that is run within the context. The Beam options of its components
        are replaced with those of the local runner.
    """
    from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

    os.environ[ARGUMENTS] = json.dumps(pipeline.beam_pipeline_args)
    for component in pipeline.components:
        if isinstance(getattr(component, "executor_spec", None), BeamExecutorSpec):
            component.executor_spec.beam_pipeline_args = LocalBeam().arguments()
    try:
        yield
    finally:
        del os.environ[ARGUMENTS]


def _connect(key: str, address: str, server: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise UnavailableError(
            f"{key}: no {server} answers at {address} ({_reason(error)}). Start it, or correct the "
            "address."
        ) from error


def _check_job_server(address: str) -> None:
    _connect("beam.job_server", address, "Beam job server")
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(_TIMEOUT)
        except grpc.FutureTimeoutError as error:
            raise UnavailableError(
                f"beam.job_server: the server at {address} is not a Beam job server: it did not "
                f"answer by gRPC within {_TIMEOUT} s. Give the job port of the job server."
            ) from error


def _check_flink(beam: FlinkBeam) -> None:
    _connect("beam.master", beam.master, "Flink cluster")
    try:
        with http_client(_TIMEOUT) as client:
            overview = client.get(f"http://{beam.master}/overview").json()
        version, task_managers = overview["flink-version"], overview["taskmanagers"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"beam.master: the server at {beam.master} is not a Flink cluster. Give the REST "
            "address of the cluster, which is also the address of its web page."
        ) from error
    if not task_managers:
        raise UnavailableError(
            f"beam.master: the Flink cluster at {beam.master} has no task manager. Start one."
        )
    from apache_beam.options.pipeline_options import FlinkRunnerOptions

    supported = FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    configured = str(beam.options.get("flink_version", supported[-1]))
    expected = ".".join(version.split(".")[:2])
    if configured != expected:
        raise InputError(
            f"beam.options.flink_version: should be '{expected}' in quotes, as the cluster at "
            f"{beam.master} is Flink {version}, found {configured}; Beam has job servers for "
            f"{', '.join(supported)}."
        )


def _check_java(beam: FlinkBeam | SparkBeam) -> None:
    """Checks that this machine has Java, and has or can download the JAR of Beam's job server."""
    from apache_beam.options.pipeline_options import JobServerOptions, PipelineOptions
    from apache_beam.runners.portability.flink_runner import FlinkJarJobServer
    from apache_beam.runners.portability.spark_runner import SparkJarJobServer
    from apache_beam.utils.subprocess_server import JavaJarServer

    options = PipelineOptions(beam.arguments())
    job_server = options.view_as(JobServerOptions)
    if not shutil.which(job_server.job_server_java_launcher):
        raise UnavailableError(
            f"beam.master: Beam starts the job server with Java, but there is no "
            f"{job_server.job_server_java_launcher} here. Install Java 11 or 17, or start a job "
            "server elsewhere and set beam.profile to portable."
        )
    server = FlinkJarJobServer if isinstance(beam, FlinkBeam) else SparkJarJobServer
    option = f"beam.options.{beam.profile}_job_server_jar"
    try:
        jar = server(options).path_to_jar()
    except ValueError as error:
        raise InputError(f"{option}: no such file. Correct the path, or give a URL.") from error
    cached = Path(job_server.jar_cache_dir or JavaJarServer.JAR_CACHE, Path(jar).name)
    if Path(jar).exists() or cached.exists():
        return
    mirror = jar.replace(JavaJarServer.MAVEN_CENTRAL_REPOSITORY, JavaJarServer.GOOGLE_MAVEN_MIRROR)
    problems = [_download_problem(url) for url in dict.fromkeys((jar, mirror))]
    if all(problems):
        raise UnavailableError(
            f"beam.master: Beam cannot download the job server {jar} ({problems[0]}). Copy the "
            f"file to this machine, and give its path in {option}."
        )


def _download_problem(url: str) -> str | None:
    """Returns the reason why a URL cannot be downloaded, or None if it can be."""
    try:
        with http_client(_TIMEOUT) as client:
            response = client.head(url, follow_redirects=True)
    except httpx.HTTPError as error:
        return _reason(error)
    return None if response.is_success else f"HTTP {response.status_code}"


def _check_credentials() -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        raise UnavailableError(
            "beam.profile: Dataflow needs Google credentials, but there are none here. Run "
            "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key "
            "file."
        ) from error


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or error) or type(error).__name__
