"""Submitting to a server that answers as the API of Kubeflow Pipelines does."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from click.testing import CliRunner

from pipeline.kubeflow import submit as kubeflow_submit


class Kubeflow(ThreadingHTTPServer):
    """Answers requests to the API of Kubeflow Pipelines, and records them."""

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
        self.requests = {}


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        request = f"{self.command} {self.path.partition('?')[0]}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests[request] = json.loads(body) if body else None
        code, answer = self.server.answers.get(request, (404, {}))
        content = json.dumps(answer).encode()
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


def test_a_recurring_run_replaces_the_one_before(kubeflow, write_config):
    code, output = submit(write_config(), kubeflow.host, "--cron", "0 0 3 * * *")
    assert code == 0, output
    assert output.endswith("\nRecurring run r1 of blue-marble, at 0 0 3 * * * (UTC)\n")
    created = kubeflow.requests["POST /apis/v2beta1/recurringruns"]
    assert created["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert (created["max_concurrency"], created["no_catchup"]) == (1, True)
    assert "DELETE /apis/v2beta1/recurringruns/old" in kubeflow.requests


def test_without_a_schedule_it_runs_once(kubeflow, write_config):
    code, output = submit(write_config(), kubeflow.host)
    assert code == 0, output
    assert output.endswith("\nRun r2 of blue-marble\n")
    assert "pipeline_spec" in kubeflow.requests["POST /apis/v2beta1/runs"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (403, "Kubeflow Pipelines denies access. Ask for the right"),
        (401, "Kubeflow Pipelines asks for a login."),
        (500, "the request was refused with status 500: no disk left"),
    ],
)
def test_a_refusal_is_one_line(kubeflow, write_config, code, message):
    kubeflow.answers["POST /apis/v2beta1/experiments"] = (
        code,
        {"error_message": "no disk\nleft"},
    )
    exit_code, output = submit(write_config(), kubeflow.host)
    assert exit_code == 2
    assert output.startswith(f"unetfx: {kubeflow.host}: {message}")
    assert output.count("\n") == 1


def test_another_server_is_one_line(kubeflow, write_config):
    kubeflow.answers.clear()
    exit_code, output = submit(write_config(), kubeflow.host)
    assert exit_code == 2
    assert "a server answers, but it is not Kubeflow Pipelines 2" in output


def test_no_server_is_one_line(write_config):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{unused.getsockname()[1]}"
        exit_code, output = submit(write_config(), host)
    assert exit_code == 2
    assert output.startswith(f"unetfx: {host}: Kubeflow Pipelines does not answer (")
    assert output.count("\n") == 1
