"""`tfx … --engine kubeflow`, with a server that responds like the API of Kubeflow Pipelines."""

import sys
from pathlib import Path

import pytest

from pipeline import kubeflow_runner
from pipeline.config.loading import ENVIRONMENT_VARIABLE
from pipeline.kubeflow import tfx_command
from tests import kubeflow_api, warm_process
from tests.pipeline.kubeflow.conftest import RUNNABLE

pytestmark = pytest.mark.slow
API = "/apis/v2beta1/pipelines"
ROOT = "gs://artifacts/unetfx"
CLAIMS = [{"name": "cells", "path": "/cells"}]
MORE_THAN_A_PAGE = 101


@pytest.fixture
def kubeflow():
    with kubeflow_api.running() as server:
        server.answers |= {
            f"GET {API}": (200, {}),
            f"POST {API}/upload": (200, {"pipeline_id": "p1"}),
            f"POST {API}/upload_version": (200, {"pipeline_id": "p1", "pipeline_version_id": "v2"}),
        }
        yield server


@pytest.fixture
def tfx(kubeflow, write_config, tmp_path):
    """A function that runs this project's command `tfx`."""
    config = write_config(kubeflow=RUNNABLE["kubeflow"] | {"pipeline_root": ROOT, "claims": CLAIMS})
    environment = {
        ENVIRONMENT_VARIABLE: str(config),
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",  # no wait for a metadata server
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }

    def run(*words, **variables):
        arguments = ["tfx", *words, "--engine", "kubeflow"]
        if words[1] not in ("compile", "schema"):
            arguments += ["--endpoint", kubeflow.host]
        return warm_process.run(
            f"{tfx_command.__name__}:main",
            arguments,
            environment=environment | variables,
            folder=tmp_path,
        )

    return run


def there_is_a_pipeline(kubeflow, **version):
    existing = {"pipeline_id": "p1", "display_name": "blue-marble"}
    kubeflow.answers[f"GET {API}"] = 200, {"pipelines": [existing]}
    versions = {"pipeline_versions": [{"pipeline_version_id": "v1", **version}]}
    kubeflow.answers[f"GET {API}/p1/versions"] = 200, versions


def test_the_script_of_the_set_up_is_this_command():
    assert tfx_command.__name__ in (Path(sys.executable).parent / "tfx").read_text()


def test_create_compiles_and_uploads_the_pipeline(tfx, kubeflow, tmp_path):
    finished = tfx("pipeline", "create", "--pipeline_path", kubeflow_runner.__file__)
    assert finished.code == 0, finished.output
    assert 'Pipeline "blue-marble" created successfully.' in finished.output
    uploaded = kubeflow.requests[f"POST {API}/upload"]
    assert (tmp_path / "blue-marble.yaml").read_bytes() in uploaded
    assert b"pvcMount" in uploaded


def test_an_existing_pipeline_is_updated_and_not_created_again(tfx, kubeflow):
    there_is_a_pipeline(kubeflow)
    path = ("--pipeline_path", kubeflow_runner.__file__)
    finished = tfx("pipeline", "create", *path)
    assert finished.code == 2
    assert finished.output.splitlines()[-1] == (
        "unetfx: pipeline blue-marble already exists. Use `tfx pipeline update`."
    )
    assert f"POST {API}/upload" not in kubeflow.requests
    finished = tfx("pipeline", "update", *path)
    assert finished.code == 0, finished.output
    assert f"POST {API}/upload_version" in kubeflow.requests


def test_a_run_has_the_root_of_the_uploaded_package(tfx, kubeflow):
    spec = {"pipelineInfo": {"name": "blue-marble"}, "defaultPipelineRoot": ROOT}
    there_is_a_pipeline(kubeflow, pipeline_spec={"pipeline_spec": spec, "platform_spec": {}})
    finished = tfx("run", "create", "--pipeline_name", "Blue_marble")
    assert finished.code == 0, finished.output
    assert "Run created for pipeline: blue-marble" in finished.output
    run = kubeflow.requests["POST /apis/v2beta1/runs"]
    reference = {"pipeline_id": "p1", "pipeline_version_id": "v1"}
    assert run["pipeline_version_reference"] == reference
    assert run["runtime_config"]["pipeline_root"] == ROOT


def test_a_run_with_a_missing_claim_is_refused(tfx, kubeflow, tmp_path):
    executors = {"Trainer_executor": {"pvcMount": [{"constant": "cells", "mountPath": "/cells"}]}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    there_is_a_pipeline(kubeflow, pipeline_spec={"pipeline_spec": {}, "platform_spec": platform})
    claims = "GET /api/v1/namespaces/kubeflow/persistentvolumeclaims"
    kubeflow.answers[claims] = 200, {"items": []}
    kubeflow_api.write_kubectl_config(tmp_path, kubeflow.host)
    finished = tfx("run", "create", "--pipeline_name", "blue_marble")
    assert finished.code == 2
    last = finished.output.splitlines()[-1]
    assert last.startswith("unetfx: kubeflow.claims: there is no PersistentVolumeClaim cells in")
    assert "POST /apis/v2beta1/runs" not in kubeflow.requests


def test_a_run_whose_pipeline_root_is_in_a_missing_bucket_is_refused(tfx, kubeflow, gcs):
    there_is_a_pipeline(kubeflow, pipeline_spec={"defaultPipelineRoot": "gs://nowhere/unetfx"})
    finished = tfx("run", "create", "--pipeline_name", "blue_marble", **gcs.environment)
    assert finished.code == 2
    assert finished.output.splitlines()[-1] == (
        "unetfx: pipeline root: there is no bucket gs://nowhere. Create it, or correct the name."
    )
    assert "POST /apis/v2beta1/runs" not in kubeflow.requests


def test_runs_and_pipelines_are_listed(tfx, kubeflow):
    there_is_a_pipeline(kubeflow)
    run = {"run_id": "r7", "display_name": "blue-marble now", "state": "SUCCEEDED"}
    kubeflow.answers["GET /apis/v2beta1/runs"] = 200, {"runs": [run]}
    output = tfx("run", "list", "--pipeline_name", "blue_marble").output
    assert "r7 " in output
    assert "SUCCEEDED" in output
    _, pipelines = kubeflow.answers[f"GET {API}"]
    others = [
        {"pipeline_id": f"o{n}", "display_name": f"cells-{n}"} for n in range(MORE_THAN_A_PAGE)
    ]
    pipelines["pipelines"] = others + pipelines["pipelines"]
    output = tfx("pipeline", "list").output
    assert "cells-0 " in output
    assert "blue-marble" in output


def test_runs_and_pipelines_are_stopped_and_deleted(tfx, kubeflow):
    there_is_a_pipeline(kubeflow)
    run = "/apis/v2beta1/runs/r7"
    requests = [f"POST {run}:terminate", f"DELETE {run}"]
    versions = [f"v{number}" for number in range(MORE_THAN_A_PAGE)]
    content = {"pipeline_versions": [{"pipeline_version_id": version} for version in versions]}
    kubeflow.answers[f"GET {API}/p1/versions"] = 200, content
    requests += [f"DELETE {API}/p1/versions/{version}" for version in versions]
    requests += [f"DELETE {API}/p1"]
    kubeflow.answers |= dict.fromkeys(requests, (200, {}))
    name, of_run = ("--pipeline_name", "blue_marble"), ("--run_id", "r7")
    for words, message in (
        (("run", "terminate", *of_run), "Run terminated."),
        (("run", "delete", *of_run), "Run deleted."),
        (("pipeline", "delete", *name), "Pipeline blue-marble deleted successfully."),
        (("pipeline", "schema", *name), "The schema of the data is <workspace>/<name>/schema"),
    ):
        assert message in tfx(*words).output
    assert set(requests) <= set(kubeflow.requests)


def test_a_pipeline_that_was_not_uploaded_is_one_line(tfx):
    finished = tfx("run", "create", "--pipeline_name", "cells")
    assert finished.code == 2
    assert finished.output.splitlines()[-1] == (
        "unetfx: pipeline cells does not exist. Upload it: `tfx pipeline create`."
    )


def test_a_refusal_of_the_server_is_one_line(tfx, kubeflow):
    kubeflow.answers[f"GET {API}"] = 403, {}
    finished = tfx("pipeline", "list")
    assert finished.code == 2
    last = finished.output.splitlines()[-1]
    assert last.startswith(f"unetfx: {kubeflow.host}: Kubeflow Pipelines denies access.")


def test_a_pipeline_without_versions_cannot_run(tfx, kubeflow):
    there_is_a_pipeline(kubeflow)
    kubeflow.answers[f"GET {API}/p1/versions"] = 200, {}
    finished = tfx("run", "create", "--pipeline_name", "blue-marble")
    assert finished.code == 2
    assert "unetfx: pipeline blue-marble has no version. Upload one" in finished.output
    assert "Traceback" not in finished.output
