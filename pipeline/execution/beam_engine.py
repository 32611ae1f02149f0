"""Before the pipeline runs: whether its Beam engine is there, and telling the steps of it."""

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
from data.errors import InputError
from pipeline.config.beam import (
    BeamConfig,
    DataflowBeam,
    FlinkBeam,
    LocalBeam,
    PortableBeam,
    SparkBeam,
)

_SECONDS = 5  # for each answer: Beam itself would wait for minutes, or for ever


def refuse_unreachable(beam: BeamConfig) -> None:
    """Makes sure that the engine answers, and that what Beam starts here can start.

    Args:
      beam: The `beam` part of a config.

    Raises:
      InputError: It does not, or cannot; found out within 30 seconds.
    """
    if isinstance(beam, DataflowBeam):
        _refuse_no_credentials()
    elif isinstance(beam, PortableBeam):
        _refuse_no_job_server(beam.job_server)
    elif isinstance(beam, FlinkBeam):
        _refuse_no_flink(beam)
        _refuse_no_java(beam)
    elif isinstance(beam, SparkBeam):
        _connect("beam.master", beam.master.removeprefix("spark://"), "Spark master")
        _refuse_no_java(beam)


@contextmanager
def out_of_cache(pipeline: Any) -> Iterator[None]:
    """Tells the steps Beam's arguments by the environment, where TFX's cache does not look.

    Args:
      pipeline: A TFX pipeline; it is changed, and is to be run in this context.
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


def _connect(key: str, address: str, what: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"{key}: no {what} answers at {address} ({_reason(error)}). Start it, or correct the "
            "address."
        ) from error


def _refuse_no_job_server(address: str) -> None:
    _connect("beam.job_server", address, "Beam job server")
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise InputError(
                f"beam.job_server: what answers at {address} is no Beam job server: it does not "
                f"speak gRPC within {_SECONDS} s. Give the job server's job port."
            ) from error


def _refuse_no_flink(beam: FlinkBeam) -> None:
    _connect("beam.master", beam.master, "Flink cluster")
    try:
        found = httpx.get(f"http://{beam.master}/overview", timeout=_SECONDS).json()
        version, workers = found["flink-version"], found["taskmanagers"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"beam.master: what answers at {beam.master} is no Flink cluster. Give its REST "
            "address: the one of its web page."
        ) from error
    if not workers:
        raise InputError(
            f"beam.master: the Flink cluster at {beam.master} has no task manager. Start one."
        )
    from apache_beam.options.pipeline_options import FlinkRunnerOptions

    told = str(beam.options.get("flink_version", FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS[-1]))
    has = ".".join(version.split(".")[:2])
    if told != has:
        known = ", ".join(FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS)
        raise InputError(
            f"beam.options.flink_version: should be '{has}' in quotes, as the cluster at "
            f"{beam.master} is Flink {version}, found {told}; Beam has job servers for {known}."
        )


def _refuse_no_java(beam: FlinkBeam | SparkBeam) -> None:
    """Refuses a machine that cannot start the job server; Beam fetches and starts it only later."""
    from apache_beam.options.pipeline_options import JobServerOptions, PipelineOptions
    from apache_beam.runners.portability.flink_runner import FlinkJarJobServer
    from apache_beam.runners.portability.spark_runner import SparkJarJobServer
    from apache_beam.utils.subprocess_server import JavaJarServer

    options = PipelineOptions(beam.arguments())
    asked = options.view_as(JobServerOptions)
    if not shutil.which(asked.job_server_java_launcher):
        raise InputError(
            f"beam.master: Beam starts the job server with Java, and there is no "
            f"{asked.job_server_java_launcher} here. Install Java 11 or 17, or start a job server "
            "elsewhere and take beam.profile portable."
        )
    server = FlinkJarJobServer if isinstance(beam, FlinkBeam) else SparkJarJobServer
    option = f"beam.options.{beam.profile}_job_server_jar"
    try:
        jar = server(options).path_to_jar()
    except ValueError as error:
        raise InputError(f"{option}: no such file. Correct the path, or give a URL.") from error
    kept = Path(asked.jar_cache_dir or JavaJarServer.JAR_CACHE, Path(jar).name)
    if Path(jar).exists() or kept.exists():
        return
    mirror = jar.replace(JavaJarServer.MAVEN_CENTRAL_REPOSITORY, JavaJarServer.GOOGLE_MAVEN_MIRROR)
    problems = [_problem_of(url) for url in dict.fromkeys((jar, mirror))]
    if all(problems):
        raise InputError(
            f"beam.master: Beam cannot fetch the job server {jar} ({problems[0]}). Put the file "
            f"somewhere here and name it by {option}."
        )


def _problem_of(url: str) -> str | None:
    """What keeps a file from being fetched; None if nothing does."""
    try:
        answer = httpx.head(url, timeout=_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        return _reason(error)
    return None if answer.is_success else f"HTTP {answer.status_code}"


def _refuse_no_credentials() -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        raise InputError(
            "beam.profile: Dataflow needs Google credentials, and there are none here. Run "
            "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key "
            "file."
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
