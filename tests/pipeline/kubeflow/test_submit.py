"""Submits to a server that responds like the API of Kubeflow Pipelines."""

import socket

import pytest
import yaml
from click.testing import CliRunner

from pipeline.kubeflow import submit as kubeflow_submit
from tests import kubeflow_api
from tests.pipeline.kubeflow.conftest import RUNNABLE


@pytest.fixture
def kubeflow(monkeypatch):
    def compile_pipeline(config, package):
        spec = {
            "pipelineInfo": {"name": "blue-marble"},
            "schemaVersion": "2.1.0",
            "root": {"dag": {"tasks": {}}},
            "defaultPipelineRoot": "gs://bucket/runs/blue_marble/artifacts",
        }
        package.write_text(yaml.safe_dump(spec))
        return package

    monkeypatch.setattr(kubeflow_submit, "compile_pipeline", compile_pipeline)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # no wait for a metadata server
    with kubeflow_api.running() as server:
        yield server


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
    assert created["runtime_config"]["pipeline_root"] == "gs://bucket/runs/blue_marble/artifacts"
    assert "DELETE /apis/v2beta1/recurringruns/old" in kubeflow.requests


def test_a_recurring_run_on_a_later_page_is_replaced_too(kubeflow, write_config):
    _, answer = kubeflow.answers["GET /apis/v2beta1/recurringruns"]
    others = [
        {"recurring_run_id": f"other{number}", "display_name": "cells"} for number in range(230)
    ]
    answer["recurringRuns"] = others + answer["recurringRuns"]
    code, output = submit(write_config(), kubeflow.host, "--cron", "0 0 3 * * *")
    assert code == 0, output
    assert "DELETE /apis/v2beta1/recurringruns/old" in kubeflow.requests


def test_without_a_schedule_it_runs_once(kubeflow, write_config):
    code, output = submit(write_config(), kubeflow.host)
    assert code == 0, output
    assert output.endswith("\nRun r2 of blue-marble\n")
    run = kubeflow.requests["POST /apis/v2beta1/runs"]
    assert run["pipeline_spec"]["pipelineInfo"] == {"name": "blue-marble"}
    # Kubeflow Pipelines ignores the pipeline root in the package.
    assert run["runtime_config"]["pipeline_root"] == "gs://bucket/runs/blue_marble/artifacts"


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("workspace", {"workspace": "gs://nowhere/runs"}),
        (
            "kubeflow.pipeline_root",
            {"kubeflow": RUNNABLE["kubeflow"] | {"pipeline_root": "gs://nowhere/artifacts"}},
        ),
    ],
)
def test_a_missing_bucket_is_refused_before_anything_is_submitted(
    kubeflow, write_config, gcs, key, changes
):
    config = write_config(**changes)
    done = CliRunner(env=gcs.environment).invoke(
        kubeflow_submit.main, ["--config", str(config), "--host", kubeflow.host]
    )
    assert done.exit_code == 2
    assert done.output.splitlines()[-1].startswith(f"unetfx: {key}: there is no bucket gs://no")
    assert not [request for request in kubeflow.requests if request.startswith("POST")]


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
