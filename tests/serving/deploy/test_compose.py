"""Tests of the Compose files, by Docker Compose if installed, without a Docker engine."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from pipeline.config.loading import load_config

CONFIGS = Path(__file__).parents[3] / "pipeline/configs"
COMPOSE = shutil.which("docker-compose", path=Path(sys.executable).parent) or shutil.which(
    "docker-compose"
)


@pytest.mark.skipif(COMPOSE is None, reason="no docker-compose here")
def test_docker_compose_takes_the_files(deploy, name, variant):
    files = ["compose.yaml"] if variant == "cpu" else ["compose.yaml", "compose.gpu.yaml"]
    options = [option for file in files for option in ("--file", str(deploy / file))]
    built = subprocess.run(
        [COMPOSE, *options, "config", "--format", "json"], stdout=subprocess.PIPE, check=True
    )

    [service] = json.loads(built.stdout)["services"].values()
    assert service["image"].endswith("-gpu") == (variant == "gpu")
    assert {volume["target"]: Path(volume["source"]) for volume in service["volumes"]} == {
        f"/models/{name}": deploy.parents[1] / f"runs/{name}/serving/{name}",
        "/config": deploy / "config",
        "/batching/batching.config": deploy / variant / "batching.config",
    }
    resources = service["deploy"]["resources"]
    assert set(resources["limits"]) == {"cpus", "memory", "pids"}
    assert ("reservations" in resources) == (variant == "gpu")


def test_the_override_brings_the_gpu(deploy):
    text = (deploy / "compose.gpu.yaml").read_text()
    [service] = yaml.safe_load(text)["services"].values()

    assert set(service) == {"image", "environment", "volumes", "deploy"}
    [batching] = service["volumes"]
    assert deploy / batching["source"] == deploy / "gpu/batching.config"
    assert batching["target"] == "/batching/batching.config"
    assert batching["read_only"]
    assert service["deploy"]["resources"]["reservations"] == {
        "devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    }


def test_the_pushed_model_is_where_the_model_config_looks(deploy, name, compose, monkeypatch):
    [mount] = [found for found in compose["volumes"] if found["target"] == f"/models/{name}"]

    monkeypatch.chdir(deploy.parents[1])
    config = load_config(CONFIGS / "blue_marble.yaml").model_copy(update={"name": name})
    assert str((deploy / mount["source"]).resolve()) == config.serving_folder


def test_every_file_that_a_flag_names_is_mounted(deploy, compose, compose_flags):
    sources = {mount["target"]: deploy / mount["source"] for mount in compose["volumes"]}
    mounted = set()
    for target, source in sources.items():
        if source.is_file():
            mounted.add(target)
        elif source.is_dir():
            mounted |= {f"{target}/{file.name}" for file in source.iterdir()}

    named = {value for key, value in compose_flags.items() if key.endswith("_file")}
    assert len(named) == 3
    assert named <= mounted


def test_a_container_can_do_no_more_than_it_must(compose):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", compose["user"])
    assert compose["read_only"]
    assert all(volume["read_only"] for volume in compose["volumes"])
    assert compose["cap_drop"] == ["ALL"]
    assert compose["security_opt"] == ["no-new-privileges:true"]
    limits = compose["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert all(port.startswith("127.0.0.1:") for port in compose["ports"])


def test_the_server_may_use_the_cores_it_gets(compose, compose_flags):
    cores = compose["deploy"]["resources"]["limits"]["cpus"]
    assert compose_flags["tensorflow_intra_op_parallelism"] == cores
    assert compose_flags["tensorflow_inter_op_parallelism"] == cores


def test_the_published_ports_are_the_servers(compose, compose_flags):
    ports = [compose_flags["port"], compose_flags["rest_api_port"]]
    assert compose["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]


def test_one_server_runs_everywhere(deploy, compose, compose_flags, manifests, serving, flags):
    [gpu] = yaml.safe_load((deploy / "compose.gpu.yaml").read_text())["services"].values()

    cpu_image = compose["image"]
    assert gpu["image"] == f"{cpu_image}-gpu"
    assert serving["image"] in (cpu_image, gpu["image"])
    # A server can load models that its TensorFlow version or an older one exported.
    version = re.fullmatch(r"tensorflow/serving:(\d+)\.(\d+)\.\d+", cpu_image).groups()
    exported = metadata.version("tensorflow").split(".")[:2]
    assert [int(part) for part in version] >= [int(part) for part in exported]
    assert serving["command"] == compose["entrypoint"]
    assert flags == compose_flags


class Status(http.server.BaseHTTPRequestHandler):
    """Responds with the status of the only version of a model, as TF Serving does."""

    def do_GET(self):
        known = self.path == f"/v1/models/{self.server.model}"
        ok = {"error_code": "OK", "error_message": ""}
        version = {"version": "1", "state": self.server.state, "status": ok}
        answer = {"model_version_status": [version]} if known else {"error": "UNAVAILABLE"}
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer, indent=1).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def is_healthy(compose, compose_flags):
    """Runs the command of the health check on a given port."""

    def run(port):
        [kind, *command] = compose["healthcheck"]["test"]
        assert kind == "CMD"
        address = f"/dev/tcp/127.0.0.1/{compose_flags['rest_api_port']}"
        assert address in command[-1]
        command[-1] = command[-1].replace(address, f"/dev/tcp/127.0.0.1/{port}")
        return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode == 0

    return run


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_health_check_waits_for_a_version_that_is_available(is_healthy, server, name):
    server.model = name
    found = {}
    for state in ("START", "LOADING", "AVAILABLE", "UNLOADING", "END"):
        server.state = state
        found[state] = is_healthy(server.server_port)

    assert [state for state, healthy in found.items() if healthy] == ["AVAILABLE"]
    server.model = f"{name}_2"
    assert not is_healthy(server.server_port)


def test_the_health_check_fails_where_nobody_listens(is_healthy, server):
    server.server_close()
    assert not is_healthy(server.server_port)
