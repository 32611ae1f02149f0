"""An unreachable Beam runner is reported in one line, before anything runs."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions
from google.auth import environment_vars
from tfx.dsl.compiler.compiler import Compiler

from components.statistics_gen import Executor
from data.errors import InputError, UnavailableError
from pipeline.config.beam import DataflowBeam, FlinkBeam, LocalBeam, PortableBeam, SparkBeam
from pipeline.config.config import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution import beam_engine
from pipeline.execution.beam_engine import out_of_cache, refuse_unreachable

NEWEST = FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS[-1]


@pytest.fixture
def closed():
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class _Rest(BaseHTTPRequestHandler):
    """Answers as Flink's JobManager does; it has no jar."""

    def do_GET(self):
        content = json.dumps(self.server.overview).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def flink():
    """Starts a server that answers with an overview, and returns its address."""
    with HTTPServer(("127.0.0.1", 0), _Rest) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def answer(**overview):
            server.overview = overview
            return f"127.0.0.1:{server.server_port}"

        yield answer
        server.shutdown()
        thread.join()


def refusal(beam, error=UnavailableError):
    with pytest.raises(error) as caught:
        refuse_unreachable(beam)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("make", "message"),
    {
        "flink": (
            lambda address: FlinkBeam(profile="flink", master=address),
            "beam.master: no Flink cluster answers",
        ),
        "spark": (
            lambda address: SparkBeam(profile="spark", master=f"spark://{address}"),
            "beam.master: no Spark master answers",
        ),
        "portable": (
            lambda address: PortableBeam(profile="portable", job_server=address),
            "beam.job_server: no Beam job server answers",
        ),
    }.values(),
    ids=["flink", "spark", "portable"],
)
def test_nothing_listens(closed, make, message):
    assert refusal(make(closed)).startswith(f"{message} at {closed} (Connection refused). Start it")


def test_something_else_listens(flink):
    address = flink(name="not Flink")
    assert "is not a Flink cluster" in refusal(FlinkBeam(profile="flink", master=address))


def test_a_server_without_grpc_is_no_job_server(flink, monkeypatch):
    monkeypatch.setattr(beam_engine, "_TIMEOUT", 0.5)
    address = flink()
    line = refusal(PortableBeam(profile="portable", job_server=address))
    assert f"the server at {address} is not a Beam job server" in line


def test_a_cluster_without_workers(flink):
    address = flink(**{"flink-version": f"{NEWEST}.0", "taskmanagers": 0})
    assert "has no task manager" in refusal(FlinkBeam(profile="flink", master=address))


def test_a_cluster_of_another_version(flink):
    address = flink(**{"flink-version": "1.20.3", "taskmanagers": 1})
    line = refusal(FlinkBeam(profile="flink", master=address), InputError)
    assert line.startswith("beam.options.flink_version: should be '1.20' in quotes")


def test_no_java(flink):
    address = flink(**{"flink-version": f"{NEWEST}.0", "taskmanagers": 1})
    options = {"job_server_java_launcher": "no-such-java"}
    line = refusal(FlinkBeam(profile="flink", master=address, options=options))
    assert "there is no no-such-java here. Install Java" in line


def test_a_job_server_that_cannot_be_downloaded(flink, tmp_path):
    java = tmp_path / "java"
    java.touch(0o755)
    address = flink(**{"flink-version": f"{NEWEST}.0", "taskmanagers": 1})
    options = {
        "job_server_java_launcher": str(java),
        "flink_job_server_jar": f"http://{address}/server.jar",
    }
    line = refusal(FlinkBeam(profile="flink", master=address, options=options))
    assert f"cannot download the job server http://{address}/server.jar (HTTP 404)" in line
    assert "give its path in beam.options.flink_job_server_jar" in line
    options["flink_job_server_jar"] = str(java)
    refuse_unreachable(FlinkBeam(profile="flink", master=address, options=options))
    options["flink_job_server_jar"] = "no/such.jar"
    line = refusal(FlinkBeam(profile="flink", master=address, options=options), InputError)
    assert line.startswith("beam.options.flink_job_server_jar: no such file")


def test_no_google_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv(environment_vars.CREDENTIALS, raising=False)
    beam = DataflowBeam(
        profile="dataflow", project="p", region="r", temp_location="gs://b/t", image="i"
    )
    assert "Dataflow needs Google credentials" in refusal(beam)


def test_this_machine_is_always_reachable():
    assert refuse_unreachable(LocalBeam()) is None


def test_another_beam_runner_does_not_run_a_step_again(tmp_path):
    def compiled(**beam):
        raw = {
            "name": "discs",
            "workspace": str(tmp_path),
            "data": {
                "source": {"kind": "folder", "path": str(tmp_path)},
                "classes": ["ground", "disc"],
                "schema_file": str(tmp_path / "schema.pbtxt"),
            },
            "gate": {"mean_iou": 0.6},
        }
        pipeline = create_pipeline(Config.model_validate(raw | beam))
        with out_of_cache(pipeline):
            executor = Executor(Executor.Context(beam_pipeline_args=LocalBeam().arguments()))
            compiled = Compiler().compile(pipeline)
        return compiled.SerializeToString(deterministic=True), executor._beam_pipeline_args

    (tmp_path / "schema.pbtxt").write_text("# kept")
    local, _ = compiled()
    beam = {"profile": "portable", "job_server": "localhost:8099"}
    elsewhere, arguments = compiled(beam=beam)
    assert elsewhere == local
    assert "--runner=PortableRunner" in arguments
