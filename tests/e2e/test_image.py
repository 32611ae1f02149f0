"""The container image, built and run by podman: every command, and what a container may do."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests import kubeflow_api, warm_process
from tests.e2e.containers import (
    IMAGE,
    LIMITS,
    REPOSITORY,
    Step,
    UnavailableEngineError,
    config_map,
    running_engine,
)
from tests.e2e.kubeflow_cluster import SUCCEEDED, Cluster

# A build without a cache takes ten minutes, and another test run may hold the engine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text()
WORK = "/work"  # the working folder of the image
LIMITED = ["--memory=3g", "--memory-swap=3g", "--cpus=1"]
USER = 1000


@pytest.fixture(scope="module")
def engine():
    try:
        with running_engine() as engine:
            yield engine
    except UnavailableEngineError as error:
        pytest.skip(f"no containers: {error}")


@pytest.fixture(scope="module")
def folder(engine, make_project_in, tmp_path_factory):
    """A data set, a config and a workspace that belong to the user of the image.

    The paths in the config are those of the pod of the CronJob.
    """
    project = make_project_in(tmp_path_factory.mktemp("container"))
    change(project.config, "/runs", "/data")
    (project.folder / "runs").mkdir()
    give(project.folder)
    return project.folder


def change(file, workspace, data, **changes):
    """Writes paths in a container into a config, and settings for a fast run."""
    config = yaml.safe_load(file.read_text())
    config["workspace"] = workspace
    config["data"]["source"]["path"] = data
    config["training"]["epochs"] = 1
    config["gate"] = {"mean_iou": 0.1}
    file.write_text(yaml.safe_dump(config | changes))


def give(folder, user=USER):
    """Makes a user the owner of a folder and its content."""
    folder.chmod(0o755)
    subprocess.run(["chown", "--recursive", f"{user}:{user}", folder], check=True)


@pytest.fixture(scope="module")
def unetfx(engine, folder):
    """Runs a command of `unetfx` in a new container, with a project in the working folder."""

    def run(*command, options=(), project=folder, check=True):
        options = [*mounts(project), *LIMITED, *options]
        return engine.run("unetfx", *command, options=options, check=check)

    return run


def mounts(project):
    paths = {WORK: project, "/data": project / "data", "/runs": project / "runs"}
    return [f"--volume={source}:{path}" for path, source in paths.items()]


@pytest.fixture(scope="module")
def trained(unetfx, folder):
    """The output of a whole run in a container."""
    return unetfx("run", "--config", "config.yaml").output


def versions(folder):
    return sorted(path.parent.name for path in folder.glob("runs/*/serving/*/*/saved_model.pb"))


def test_the_image_has_labels_and_a_health_check(engine):
    config = engine.inspect(IMAGE, "image")
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
    }
    project = dict(re.findall(r'^(\w+) = "(.*)"$', PYPROJECT, re.M))
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels["description"] == project["description"]
    assert {"title", "source", "revision"} <= set(labels)
    assert config["Healthcheck"]["Test"][-1] == "serving.server.health"
    assert config["User"] == str(USER)


def test_the_image_is_no_larger_than_the_documentation_says(engine):
    documentation = (REPOSITORY / "docs/deployment.md").read_text()
    [gigabytes] = re.findall(r"The image has (\d\.\d) GB", documentation)
    assert engine.inspect(IMAGE, "image")["Size"] / 1e9 < float(gigabytes) + 0.1


def test_the_image_has_no_settings_and_tools_of_the_build(engine):
    config = engine.inspect(IMAGE, "image")
    names = {variable.partition("=")[0] for variable in config["Config"]["Env"]}
    assert names == {
        "PATH",
        "VIRTUAL_ENV",
        "HOME",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
    }
    assert "certificates=" not in json.dumps(config["History"])
    program = (
        "import importlib.metadata as m, os, shutil;"
        "print(os.getuid(), os.path.exists('/run/secrets/packages'), shutil.which('strip'),"
        " shutil.which('uv'), *{d.name.lower() for d in m.distributions()})"
    )
    user, secrets, strip, uv, *packages = engine.run("python", "-c", program).output.split()
    assert (user, secrets, strip, uv) == (str(USER), "False", "None", "None")
    groups = PYPROJECT.partition("[dependency-groups]")[2]
    tools = set(re.findall(r"^    [\"']([\w-]+)", groups.partition("\n]")[0], re.M))
    assert "pytest" in tools
    assert "tensorflow" in packages
    tools.remove("docstring-parser")  # kfp needs it too
    assert not set(packages) & {tool.lower() for tool in tools}


def test_the_packages_of_the_gpu_image_are_the_cuda_libraries_that_tensorflow_requires():
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "pip", "install", "--dry-run", "--python", sys.executable]
    command += ["-c", "requirements.lock", "-r", "pyproject.toml", "--extra", "gpu"]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    requires = subprocess.run(
        [sys.executable, "-c", "from importlib.metadata import *; print(requires('tensorflow'))"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    names = re.findall(r"'(nvidia-[a-z0-9-]+)[^']*and-cuda", requires)
    assert names
    for name in names:
        assert f"+ {name}==" in process.stderr


def test_the_build_context_has_only_what_the_image_needs():
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    packages = {"data", "serving", "components", "pipeline"}
    files = {"pyproject.toml", "requirements.lock", "setup.py", "README.md", "LICENSE"}
    assert sent == packages | files
    assert "*" in lines


def test_without_an_engine_make_image_is_one_line(tmp_path):
    for name in ("podman", "docker"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    process = subprocess.run(
        ["make", "--silent", "image"],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stderr.splitlines()[0] == (
        "make image: no container engine works here. Install podman, or start Docker."
    )


def test_check_accepts_good_data_and_explains_bad_data(unetfx, make_project_in, tmp_path):
    project = make_project_in(tmp_path / "project")
    change(project.config, "runs", "data")
    (project.folder / "runs").mkdir()
    arguments = ("check", "--config", "config.yaml")

    def check(user=4711):
        options = [f"--user={user}"]
        return unetfx(*arguments, options=options, project=project.folder, check=False)

    give(project.folder)
    assert check() == (
        2,
        f"unetfx: {WORK}/runs/discs/logs/check.txt: cannot be written by user 4711 (Permission "
        "denied). Check workspace in the config, and who may write there.\n",
    )
    give(project.folder, 4711)
    finished = check()
    assert finished.code == 0
    assert "Good: a run would accept these data." in finished.output
    mask = project.folder / "data/masks/00.png"
    mask.write_bytes(mask.read_bytes()[:100])
    finished = check()
    assert finished.code == 2, finished.output
    assert "masks/00.png" in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing.yaml: no such config file, or not readable. Name one with --config."),
        (["--memory=32m", "--memory-swap=32m"], "the command was killed, most likely because"),
    ],
)
def test_a_wrong_mount_and_too_little_memory_are_one_line(unetfx, options, message):
    config = "config.yaml" if options else "nothing.yaml"
    finished = unetfx("run", "--config", config, options=options, check=False)
    assert finished.code == 2
    assert finished.output.startswith(f"unetfx: {message}")
    assert len(finished.output.splitlines()) == 1


def test_run_trains_and_pushes_with_a_read_only_root_and_no_network(trained, folder):
    assert "Blessed: every floor is reached." in trained
    [version] = versions(folder)
    assert f"/runs/discs/serving/discs/{version}" in trained
    assert (folder / f"runs/discs/serving/discs/{version}").stat().st_uid == USER


def test_predict_writes_masks(trained, unetfx, folder):
    output = unetfx(
        *("predict", "/data/images/00.png", "--out", "masks", "--config", "config.yaml")
    ).output
    assert re.fullmatch(r"/data/images/00.png: ground \S+%, disc \S+%\n", output)
    assert (folder / "masks/00_mask.png").exists()


def wait(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def is_served(url, version):
    """Returns whether a server has loaded a version of the model `discs`."""
    try:
        status = httpx.get(f"{url}/v1/models/discs", timeout=10).json()
    except httpx.TransportError:
        return False
    states = {each["version"]: each["state"] for each in status.get("model_version_status", [])}
    return states.get(version) == "AVAILABLE"


def segment(url, folder):
    """Returns the response to a request for the mask of an image."""
    image = base64.b64encode((folder / "data/images/00.png").read_bytes()).decode()
    body = {"instances": [{"b64": image}]}
    return httpx.post(f"{url}/v1/models/discs:predict", json=body, timeout=60)


def test_serve_answers_at_a_published_port_and_ends_with_sigterm(trained, engine, folder):
    options = [*mounts(folder), *LIMITED, "--publish=127.0.0.1::8501", "--read-only"]
    command = ["unetfx", "serve", "--host=0.0.0.0", "--config=config.yaml"]
    name = engine.podman("run", "--detach", *options, IMAGE, *command).output.split()[-1]
    try:
        url = f"http://{engine.podman('port', name, '8501').output.strip()}"
        assert engine.podman("healthcheck", "run", name, check=False).code == 1
        wait(lambda: is_served(url, versions(folder)[-1]))
        assert engine.podman("healthcheck", "run", name, check=False).code == 0
        assert segment(url, folder).status_code == 200
        began = time.monotonic()
        engine.podman("stop", "--time=60", name)
        assert time.monotonic() - began < 30
        assert engine.inspect(name)["State"]["ExitCode"] == 0
    finally:
        engine.podman("rm", "--force", name)


def test_the_pod_of_the_cron_job_retrains(trained, engine, folder, tmp_path):
    file = REPOSITORY / "pipeline/schedules/cronjob.yaml"
    cron_job, _ = yaml.safe_load_all(file.read_text())  # podman has no network policies
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    user = template["spec"]["securityContext"]["runAsUser"]
    shutil.copytree(folder / "runs", tmp_path / "runs")
    give(tmp_path / "runs", user)  # in a cluster, fsGroup gives the claim to the user
    config = (folder / "config.yaml").read_text()
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"]["name"] = "retrain"
    pod["spec"]["containers"][0] |= {"image": IMAGE, "imagePullPolicy": "Never"}
    objects = [config_map("unetfx-config", **{"config.yaml": config}), pod]
    claims = {"unetfx-data": folder / "data", "unetfx-runs": tmp_path / "runs"}
    try:
        engine.play(objects, claims)
        code = engine.podman("wait", "retrain-retrain").output.split()[-1]
        log = engine.podman("logs", "retrain-retrain").output
        assert code == "0", log
        assert "Blessed: every floor is reached." in log
        state = engine.inspect("retrain-retrain")
        assert state["HostConfig"]["ReadonlyRootfs"]
        assert state["Config"]["User"].split(":")[0] == str(user)
    finally:
        engine.remove_all()


@pytest.fixture(scope="module")
def model_server(engine, tmp_path_factory):
    """An image with the name of TF Serving's, and the local server in TF Serving's place."""
    context = tmp_path_factory.mktemp("model_server")
    shutil.copy(REPOSITORY / "tests/e2e/tensorflow_model_server.py", context)
    target = "/usr/local/bin/tensorflow_model_server"
    (context / "Dockerfile").write_text(
        f"FROM {IMAGE}\nUSER 0\nCOPY --chmod=755 tensorflow_model_server.py {target}\n"
    )
    compose = yaml.safe_load((REPOSITORY / "serving/deploy/compose.yaml").read_text())
    image = f"docker.io/{compose['services']['serving']['image']}"
    engine.podman(
        "build", "--quiet", "--isolation=chroot", "--format=docker", "--tag", image, context
    )
    return image


@pytest.fixture
def deployment(trained, folder, tmp_path):
    """A copy of `serving/deploy` for the model `discs`, beside the folder with its versions."""
    shutil.copytree(REPOSITORY / "serving/deploy", tmp_path / "serving/deploy")
    shutil.copytree(folder / "runs", tmp_path / "runs")
    rename = "grep -rl blue_marble serving/deploy | xargs sed -i s/blue_marble/discs/g"
    subprocess.run(["bash", "-c", rename], cwd=tmp_path, check=True)
    return tmp_path / "serving/deploy"


def free_ports(deployment, file):
    """Replaces the ports on this machine in a Compose file; returns the URL of the REST port."""
    text = (deployment / file).read_text()
    rest, grpc = unused_port(), unused_port()
    text = text.replace(":8501:8501", f":{rest}:8501").replace(":8500:8500", f":{grpc}:8500")
    (deployment / file).write_text(text)
    return f"http://127.0.0.1:{rest}"


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_compose_serves_the_pushed_model(model_server, deployment, engine, folder):
    if not shutil.which("podman-compose"):
        pytest.skip("needs podman-compose (apt-get install podman-compose)")
    url = free_ports(deployment, "compose.yaml")
    compose = ["env", "CPUS=1", "podman-compose", "--file", deployment / "compose.yaml"]
    try:
        engine.program(*compose, "up", "--detach")
        wait(lambda: is_served(url, versions(folder)[-1]))
        assert segment(url, folder).status_code == 200
        [name] = engine.podman("ps", "--format={{.Names}}").output.split()
        # podman-compose 1.0 passes the health check to podman with wrong quotes.
        service = yaml.safe_load((deployment / "compose.yaml").read_text())["services"]["serving"]
        engine.podman("exec", name, *service["healthcheck"]["test"][1:])
        assert engine.inspect(name)["HostConfig"]["ReadonlyRootfs"]
        engine.program(*compose, "stop")
        assert engine.inspect(name)["State"]["ExitCode"] == 0
    finally:
        engine.program(*compose, "down", check=False)


def test_the_pod_of_the_deployment_serves_the_pushed_model(
    model_server, deployment, engine, folder
):
    objects = [
        config_map(
            "unetfx-serving-config",
            **{
                name: (deployment / "config" / name).read_text()
                for name in ("models.config", "monitoring.config")
            },
        ),
        config_map(
            "unetfx-serving-batching",
            **{"batching.config": (deployment / "cpu/batching.config").read_text()},
        ),
        yaml.safe_load((deployment / "cpu/deployment.yaml").read_text()),
    ]
    [container] = objects[-1]["spec"]["template"]["spec"]["containers"]
    container["imagePullPolicy"] = "Never"
    # Podman publishes the ports, and 4.3 ignores `subPath`.
    ports = {port["name"]: port for port in container["ports"]}
    for port in ports.values():
        port |= {"hostPort": unused_port(), "hostIP": "127.0.0.1"}
    [models] = [mount for mount in container["volumeMounts"] if mount["name"] == "models"]
    claim = deployment.parents[1] / "runs" / models.pop("subPath")
    url = f"http://127.0.0.1:{ports['http']['hostPort']}"
    try:
        engine.play(objects, {"unetfx-runs": claim})
        wait(lambda: is_served(url, versions(folder)[-1]))
        for probe in ("readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            assert httpx.get(f"{url}{path}", timeout=10).status_code == 200
        assert segment(url, folder).status_code == 200
    finally:
        engine.remove_all()


def test_every_step_of_the_compiled_package_runs_in_its_own_container(
    engine, make_project_in, tmp_path
):
    project = make_project_in(tmp_path / "claim")
    kubeflow = {"image": IMAGE, "claims": [{"name": "unetfx", "path": "/data"}]}
    change(project.config, "/data/runs", "/data/data", kubeflow=kubeflow)
    give(project.folder)
    with kubeflow_api.running() as api:
        arguments = ["submit", "--config", project.config, "--host", api.host]
        finished = warm_process.run("pipeline.kubeflow.submit:main", arguments)
        assert finished.code == 0, finished.output
        request = api.requests["POST /apis/v2beta1/runs"]

    def start(command, environment, mounts, log, root):
        give(root)
        return Step(engine, [*LIMITS, *LIMITED], command, environment, mounts, log)

    cluster = Cluster(tmp_path / "pods", claims={"unetfx": project.folder}, start=start)
    run = cluster.run(request)
    run.check()
    assert set(run.states.values()) == {SUCCEEDED}
    assert len(run.states) == len(run.pods) == 11
    assert project.versions()
