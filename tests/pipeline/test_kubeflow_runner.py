"""What a cluster cannot do is told in a line each, before anything is loaded or asked."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from click.testing import CliRunner

from data.errors import InputError
from pipeline import kubeflow_runner
from pipeline.config.loading import ENVIRONMENT_VARIABLE, load_config
from pipeline.kubeflow import submit as kubeflow_submit

RUNNABLE = {
    "name": "Blue_marble",
    "workspace": "gs://bucket/runs",
    "data": {
        "source": {"kind": "folder", "path": "gs://bucket/data"},
        "classes": ["ocean", "land"],
    },
    "gate": {"mean_iou": 0.6},
    "kubeflow": {"image": "registry.example/unetfx:1"},
}


@pytest.fixture
def write(tmp_path):
    """Writes a config, some keys of which are others, or missing if None."""

    def written(**changes):
        path = tmp_path / "config.yaml"
        config = {key: value for key, value in (RUNNABLE | changes).items() if value is not None}
        path.write_text(yaml.safe_dump(config))
        return path

    return written


def local_data(path):
    return {"data": RUNNABLE["data"] | {"source": {"kind": "folder", "path": path}}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kubeflow": None}, "kubeflow: missing. Say which container image"),
        ({"workspace": None}, "workspace: runs is no bucket."),
        ({"workspace": "s3://bucket/runs"}, "workspace: s3://bucket/runs is no bucket."),
        (local_data("cells"), "data.source.path: cells is a folder of this machine."),
        (
            {"serving": {"infra_validator": {"platform": "kubernetes"}}},
            "serving.infra_validator: TFX's InfraValidator does not run",
        ),
    ],
)
def test_what_a_cluster_cannot_do_is_one_line(write, changes, words):
    with pytest.raises(InputError) as caught:
        kubeflow_runner.check(load_config(write(**changes)))
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_what_is_mounted_in_the_containers_may_be_read(write):
    config = load_config(write(**local_data("/gcs/bucket/cells")))
    assert kubeflow_runner.check(config).image == "registry.example/unetfx:1"


def test_kfp_may_be_missing(write, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^kfp is not installed.*unetfx\[kubeflow\]$"):
        kubeflow_runner.check(load_config(write()))


def test_names_become_what_kubeflow_takes(write):
    assert kubeflow_runner.pipeline_name(load_config(write())) == "blue-marble"
    with pytest.raises(InputError, match="no letter or digit"):
        kubeflow_runner.pipeline_name(load_config(write(name="__")))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "kubeflow.image: missing"),
        ({"image": "a b"}, "kubeflow.image: String should match"),
        ({"image": "a", "gpu": 1}, "kubeflow.gpu: unknown key"),
        (
            {"image": "a", "trainer": {"cpu_request": 4, "cpu_limit": 2}},
            "kubeflow.trainer: cpu_request: 4 is above cpu_limit: 2",
        ),
    ],
)
def test_the_section_is_checked(write, section, words):
    with pytest.raises(InputError) as caught:
        load_config(write(kubeflow=section))
    assert words in str(caught.value)


def test_folders_lie_on_the_bucket(write):
    config = load_config(write(name="discs"))
    assert config.root == "gs://bucket/runs/discs"
    assert config.serving_folder == "gs://bucket/runs/discs/serving/discs"
    assert config.schema_file == "gs://bucket/runs/discs/schema.pbtxt"
    with pytest.raises(InputError, match="workspace: gs://bucket/runs is in a bucket"):
        print(config.home)


def test_the_command_says_so_in_one_line(write, tmp_path):
    done = subprocess.run(
        [sys.executable, kubeflow_runner.__file__, str(tmp_path / "package.yaml")],
        env=os.environ | {ENVIRONMENT_VARIABLE: str(write(kubeflow=None))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout + done.stderr == (
        "unetfx: kubeflow: missing. Say which container image the steps run in: kubeflow: "
        "{image: …}\n"
    )
    assert not (tmp_path / "package.yaml").exists()


class Kubeflow(ThreadingHTTPServer):
    """Answers a request of Kubeflow Pipelines' API, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"http://127.0.0.1:{self.server_port}"
        self.answers = {
            "GET /apis/v2beta1/healthz": (200, {"multi_user": False}),
            "GET /apis/v2beta1/experiments": (200, {}),
            "POST /apis/v2beta1/experiments": (200, {"experiment_id": "e1"}),
            "GET /apis/v2beta1/recurringruns": (
                200,
                {
                    "recurringRuns": [
                        {"recurring_run_id": "old", "display_name": "blue-marble"},
                        {"recurring_run_id": "another", "display_name": "cells"},
                    ]
                },
            ),
            "POST /apis/v2beta1/recurringruns": (200, {"recurring_run_id": "r1"}),
            "POST /apis/v2beta1/runs": (200, {"run_id": "r2"}),
            "DELETE /apis/v2beta1/recurringruns/old": (200, {}),
        }
        self.asked = {}


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        what = f"{self.command} {self.path.partition('?')[0]}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked[what] = json.loads(body) if body else None
        code, told = self.server.answers.get(what, (404, {}))
        content = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *arguments):
        pass


@pytest.fixture
def kubeflow(monkeypatch):
    monkeypatch.setattr(
        kubeflow_submit,
        "compile_pipeline",
        lambda config, package: (
            package.write_text(
                yaml.safe_dump(
                    {
                        "pipelineInfo": {"name": "blue-marble"},
                        "schemaVersion": "2.1.0",
                        "root": {"dag": {"tasks": {}}},
                    }
                )
            )
            and package
        ),
    )
    with Kubeflow() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def submit(config, host, *arguments):
    done = CliRunner().invoke(
        kubeflow_submit.main, ["--config", str(config), "--host", host, *arguments]
    )
    return done.exit_code, done.output


class TestSubmit:
    def test_a_recurring_run_takes_the_place_of_the_one_before(self, kubeflow, write):
        code, output = submit(write(), kubeflow.host, "--cron", "0 0 3 * * *")
        assert code == 0
        assert output.endswith("\nRecurring run r1 of blue-marble, at 0 0 3 * * * (UTC)\n")
        made = kubeflow.asked["POST /apis/v2beta1/recurringruns"]
        assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
        assert (made["max_concurrency"], made["no_catchup"]) == (1, True)
        assert "DELETE /apis/v2beta1/recurringruns/old" in kubeflow.asked

    def test_without_a_schedule_it_runs_once(self, kubeflow, write):
        code, output = submit(write(), kubeflow.host)
        assert code == 0
        assert output.endswith("\nRun r2 of blue-marble\n")
        assert "pipeline_spec" in kubeflow.asked["POST /apis/v2beta1/runs"]

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            (403, "Kubeflow Pipelines does not let you. Ask for the rights"),
            (401, "Kubeflow Pipelines asks who you are."),
            (500, "refused, with 500: no disk left"),
        ],
    )
    def test_a_refusal_is_one_line(self, kubeflow, write, code, words):
        kubeflow.answers["POST /apis/v2beta1/experiments"] = (
            code,
            {"error_message": "no disk\nleft"},
        )
        exit_code, output = submit(write(), kubeflow.host)
        assert exit_code == 2
        assert output.startswith(f"unetfx: {kubeflow.host}: {words}")
        assert output.count("\n") == 1

    def test_another_server_is_one_line(self, kubeflow, write):
        kubeflow.answers.clear()
        exit_code, output = submit(write(), kubeflow.host)
        assert exit_code == 2
        assert "there is a server, but not Kubeflow Pipelines 2" in output

    def test_no_server_is_one_line(self, write):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            host = f"http://127.0.0.1:{unused.getsockname()[1]}"
            exit_code, output = submit(write(), host)
        assert exit_code == 2
        assert output.startswith(f"unetfx: {host}: no Kubeflow Pipelines there (")
        assert output.count("\n") == 1
