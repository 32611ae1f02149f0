"""Submits a pipeline in the way that users do, and runs all steps, each in a simulated pod."""

import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp_spec

from tests import kubeflow_api, warm_process
from tests.e2e.conftest import Project
from tests.e2e.kubeflow_cluster import CACHED, FAILED, OMITTED, SUCCEEDED, Cluster, Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(os.geteuid() != 0, reason="a simulated pod needs root to mount folders"),
]
IMAGE = "registry.example/unetfx:1-gpu"
STEPS = ["LookOutside", "ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "GateCheck"]
STEPS += ["Tuner", "Trainer", "Evaluator", "ServingCheck", "Report", "Pusher"]
SILENT = {"https_proxy": "http://127.0.0.1:9"}  # nothing listens there
TRAINER = {"cpu_request": 2, "cpu_limit": 4, "memory_limit": 8, "retries": 1}


class Deployment(NamedTuple):
    """A project, the cluster that runs it, and the API through which it is submitted."""

    project: Project
    cluster: Cluster
    api: kubeflow_api.KubeflowApi

    def submit(self, **changes):
        """Submits the pipeline, with changes to the config, and returns the body of the request."""
        config = yaml.safe_load(self.project.config.read_text())
        for key, value in changes.items():
            config[key] = config[key] | value if isinstance(value, dict) else value
        path = self.project.folder / "submitted.yaml"
        path.write_text(yaml.safe_dump(config))
        arguments = ["submit", "--config", path, "--host", self.api.host]
        finished = warm_process.run("pipeline.kubeflow.submit:main", arguments)
        assert finished.code == 0, finished.output
        return self.api.requests["POST /apis/v2beta1/runs"]


@pytest.fixture(scope="module")
def api():
    with kubeflow_api.running() as api:
        yield api


@pytest.fixture(scope="module")
def claim(api, tmp_path_factory, make_project_in):
    """A project whose workspace and data are in a claim that is mounted at /data."""
    folder = tmp_path_factory.mktemp("claim")
    project = make_project_in(folder)
    config = yaml.safe_load(project.config.read_text())
    config["workspace"] = "/data/runs"
    config["data"] |= {
        "source": {"kind": "folder", "path": "/data/data"},
        # Without escaping, Kubernetes would replace `$(KFP_POD_NAME)` by the name of the pod.
        "group": "([0-9]+)$(KFP_POD_NAME)?",
    }
    config["training"] |= {"epochs": 2, "warm_start": True}
    config["tuner"] = {
        "trials": 1,
        "epochs": 1,
        "search": {"learning_rate": {"min": 1e-3, "max": 1e-2}},
    }
    config["kubeflow"] = {
        "image": IMAGE,
        "trainer": TRAINER | {"gpu": {"type": "nvidia.com/gpu", "count": 2}},
        "steps": {"default": {"memory_limit": 3}, "Evaluator": {"memory_request": 6, "retries": 2}},
        "claims": [{"name": "unetfx", "path": "/data"}],
    }
    project.config.write_text(yaml.safe_dump(config))
    cluster = Cluster(tmp_path_factory.mktemp("pods"), claims={"unetfx": folder})
    return Deployment(project, cluster, api)


@pytest.fixture(scope="module")
def bucket(claim, first, gcs, tmp_path_factory):
    """The same project with workspace and data in a bucket, where a model was pushed before."""
    folder = claim.project.folder
    for path in [*folder.glob("data/*/*"), *folder.glob("runs/discs/serving/**/*")]:
        if path.is_file():
            blob = gcs.client.bucket("bucket").blob(f"kubeflow/{path.relative_to(folder)}")
            blob.upload_from_filename(path)
    config = yaml.safe_load(claim.project.config.read_text())
    config["workspace"] = "gs://bucket/kubeflow/runs"
    config["data"]["source"]["path"] = "gs://bucket/kubeflow/data"
    config["training"]["epochs"] = 1
    config["tuner"] = None
    del config["kubeflow"]["claims"]
    project = Project(tmp_path_factory.mktemp("bucket"), folder / "bucket.yaml")
    project.config.write_text(yaml.safe_dump(config))
    certificates = Path(gcs.environment["CURL_CA_BUNDLE"]).parent
    cluster = Cluster(
        tmp_path_factory.mktemp("bucket_pods"),
        # One process for images: each loads TensorFlow, to read from a bucket.
        environment=gcs.environment | {"LOKY_MAX_CPU_COUNT": "1"},
        mounts={str(certificates): certificates},
    )
    return Deployment(project, cluster, claim.api)


@pytest.fixture(scope="module")
def request_body(claim):
    return claim.submit()


@pytest.fixture(scope="module")
def spec(request_body):
    return request_body["pipeline_spec"]["pipeline_spec"]


def kill_after_an_epoch(claim):
    """Returns a function that kills the Trainer's first process after an epoch has been saved."""

    def kill(process):
        del claim.cluster.started["Trainer"]
        unfinished = claim.project.home / "artifacts" / "Trainer" / ".unfinished"
        while not list(unfinished.glob("*/*/scores.json")):
            assert process.is_alive()
            time.sleep(0.01)
        process.kill()

    return kill


@pytest.fixture(scope="module")
def first(claim, request_body) -> Run:
    """The first run, in which the Trainer's first pod is killed."""
    claim.cluster.started["Trainer"] = kill_after_an_epoch(claim)
    run = claim.cluster.run(request_body)
    run.check()
    return run


@pytest.fixture(scope="module")
def second(claim, first):
    """A run with unchanged data."""
    return claim.cluster.run(claim.submit())


@pytest.fixture(scope="module")
def third(claim, second):
    """A run with a changed setting that only late steps read, and with another artifact store."""
    kubeflow = {"pipeline_root": "s3://artifacts/unetfx"}
    return claim.cluster.run(claim.submit(data={"on_anomaly": "fail"}, kubeflow=kubeflow))


@pytest.fixture(scope="module")
def in_bucket(bucket):
    """A run with workspace, data and artifacts in a bucket."""
    run = bucket.cluster.run(bucket.submit())
    run.check()
    return run


def test_the_package_matches_the_protos_of_kfp(spec):
    parsed = json_format.ParseDict(spec, kfp_spec.PipelineSpec())
    deployment = json_format.ParseDict(spec["deploymentSpec"], kfp_spec.PipelineDeploymentConfig())
    tasks = parsed.root.dag.tasks
    assert parsed.schema_version == "2.1.0"
    assert set(tasks) == set(STEPS)
    for name, task in tasks.items():
        component = parsed.components[task.component_ref.name]
        assert set(task.dependent_tasks) <= set(tasks), name
        assert set(task.inputs.parameters) == set(component.input_definitions.parameters)
        assert set(task.inputs.artifacts) == set(component.input_definitions.artifacts)
        for source in task.inputs.artifacts.values():
            produced = source.task_output_artifact
            producer = parsed.components[tasks[produced.producer_task].component_ref.name]
            assert produced.output_artifact_key in producer.output_definitions.artifacts
        for source in task.inputs.parameters.values():
            if source.HasField("task_output_parameter"):
                produced = source.task_output_parameter
                producer = parsed.components[tasks[produced.producer_task].component_ref.name]
                assert produced.output_parameter_key in producer.output_definitions.parameters
        container = deployment.executors[component.executor_label].container
        assert container.image == IMAGE
        # Kubeflow Pipelines runs no lifecycle hooks.
        assert not container.HasField("lifecycle")


def test_kfp_reads_the_package(request_body, tmp_path):
    documents = request_body["pipeline_spec"]
    path = tmp_path / "package.yaml"
    path.write_text(yaml.safe_dump_all([documents["pipeline_spec"], documents["platform_spec"]]))
    assert components.load_component_from_file(str(path)).component_spec.name == "discs"


def test_only_look_outside_is_never_cached(spec):
    tasks = spec["root"]["dag"]["tasks"]
    uncached = {name for name, task in tasks.items() if "cachingOptions" not in task}
    assert uncached == {"LookOutside"}


def test_each_step_has_its_resources_and_retries(spec):
    executors, tasks = spec["deploymentSpec"]["executors"], spec["root"]["dag"]["tasks"]
    resources = {name: executors[f"{name}_executor"]["container"]["resources"] for name in STEPS}
    assert resources["Trainer"] == resources["Tuner"]
    assert resources["Trainer"] == {
        "cpuRequest": 2.0,
        "resourceCpuRequest": "2",
        "cpuLimit": 4.0,
        "resourceCpuLimit": "4",
        "memoryLimit": 8.589935,
        "resourceMemoryLimit": "8Gi",
        "accelerator": {
            "type": "nvidia.com/gpu",
            "count": "2",
            "resourceType": "nvidia.com/gpu",
            "resourceCount": "2",
        },
    }
    assert resources["Evaluator"] == {"memoryRequest": 6.442451, "resourceMemoryRequest": "6Gi"}
    assert resources["Report"] == {"memoryLimit": 3.221225, "resourceMemoryLimit": "3Gi"}
    retries = {name: task["retryPolicy"] for name, task in tasks.items() if "retryPolicy" in task}
    assert set(retries) == {"Trainer", "Tuner", "Evaluator"}
    assert retries["Evaluator"] == {
        "maxRetryCount": 2,
        "backoffDuration": "60s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "3600s",
    }


def test_every_step_mounts_the_claim(request_body):
    platform = request_body["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    executors = platform["deploymentSpec"]["executors"]
    assert set(executors) == {f"{name}_executor" for name in STEPS}
    for config in executors.values():
        assert config == {"pvcMount": [{"constant": "unetfx", "mountPath": "/data"}]}


def test_with_a_claim_the_artifacts_are_at_the_default_root_of_the_cluster(request_body, first):
    assert not request_body["runtime_config"].get("pipeline_root")
    assert first.root.startswith("minio://mlpipeline/v2/artifacts/discs/")
    assert all(artifact["uri"].startswith(first.root) for artifact in first.artifacts.values())


def test_the_steps_run_from_files_to_a_pushed_model(claim, first):
    (version,) = claim.project.versions()[:1]
    pushed = first.artifacts["Pusher", "pushed_model"]
    assert pushed["metadata"]["pushed_destination"] == f"/data/runs/discs/serving/discs/{version}"
    assert "saved_model.pb" in claim.cluster.store.names(pushed["uri"])
    assert "Starts cold: no model with these classes" in first.pods["Trainer"][0].log
    verdict = json.loads(
        claim.cluster.store.read(first.artifacts["Evaluator", "blessing"]["uri"], "verdict.json")
    )
    assert verdict["blessed"]
    assert verdict["baseline"] is None
    assert first.parameters["LookOutside", "schema"] == ""
    schema = claim.cluster.store.read(first.artifacts["SchemaGen", "schema"]["uri"], "schema.pbtxt")
    assert (claim.project.home / "schema.pbtxt").read_text() == schema


def test_a_blessing_names_its_model_by_uri_and_id(first):
    model = first.artifacts["Trainer", "model"]
    metadata = first.artifacts["Evaluator", "blessing"]["metadata"]
    assert metadata["current_model"] == model["uri"]
    assert metadata["current_model_id"] == str(model["id"])
    assert metadata["blessed"] == 1


def test_a_killed_training_continues_in_a_new_pod(claim, first):
    killed, retried = first.pods["Trainer"]
    assert killed.code == 1
    assert "epoch 2/2" not in killed.log
    assert "epoch 1/2" not in retried.log
    assert "epoch 2/2" in retried.log
    logs = sorted(
        key for key in claim.cluster.store.objects if "/Trainer/" in key and "logs" in key
    )
    assert [key.rpartition("/")[2] for key in logs] == ["executor-logs-0", "executor-logs-1"]
    assert not list((claim.project.home / "artifacts" / "Trainer" / ".unfinished").iterdir())


def test_the_report_is_copied_to_the_reports_of_the_workspace(claim, first):
    metrics = claim.project.reports()[0]
    report = first.artifacts["Report", "report"]["uri"]
    assert metrics.read_text() == claim.cluster.store.read(report, "metrics.json")
    page = (metrics.parent / "index.html").read_text()
    assert f"<p>Run {metrics.parent.name}</p>" in page
    assert first.parameters["LookOutside", "fingerprint"] in page
    assert "no anomalies" in page


def test_a_second_run_of_unchanged_data_runs_only_look_outside(second):
    assert second.states.pop("LookOutside") == SUCCEEDED
    assert set(second.states.values()) == {CACHED}


def test_a_run_may_have_its_root_in_another_store_than_the_cached_artifacts(claim, first, third):
    ran = {task for task, state in third.states.items() if state == SUCCEEDED}
    assert ran == {"LookOutside", "ExampleValidator", "Report"}
    assert third.root.startswith("s3://artifacts/unetfx/discs/")
    statistics = ("StatisticsGen", "statistics")
    assert third.artifacts[statistics] == first.artifacts[statistics]
    report = third.artifacts["Report", "report"]["uri"]
    assert report.startswith(third.root)
    assert "metrics.json" in claim.cluster.store.names(report)


def test_bad_data_are_explained_in_the_log_object_and_in_the_message_of_the_pod(claim):
    mask = sorted((claim.project.folder / "data" / "masks").iterdir())[0]
    content = mask.read_bytes()
    mask.write_bytes(content[: len(content) // 2])
    try:
        run = claim.cluster.run(claim.submit())
    finally:
        mask.write_bytes(content)
    assert run.states["ExampleGen"] == FAILED
    assert run.states["Trainer"] == OMITTED
    (pod,) = run.pods["ExampleGen"]
    assert pod.code == 1
    (log,) = (key for key in claim.cluster.store.objects if f"{run.root}/ExampleGen/" in key)
    last_line = claim.cluster.store.read(log).splitlines()[-1]
    assert last_line.startswith(f"unetfx: /data/data/masks/{mask.name}: ")
    assert "Traceback" not in pod.log
    assert last_line != pod.log.splitlines()[-1]  # the launcher appends its own lines to the log
    assert pod.message == last_line.removeprefix("unetfx: ")


def test_with_a_bucket_the_artifacts_are_in_the_workspace(bucket, in_bucket):
    assert in_bucket.root.startswith("gs://bucket/kubeflow/runs/discs/artifacts/discs/")
    names = bucket.cluster.store.names(in_bucket.artifacts["Pusher", "pushed_model"]["uri"])
    assert "saved_model.pb" in names


def test_the_model_is_pushed_to_the_bucket_and_the_report_published_there(gcs, in_bucket):
    blobs = gcs.client.list_blobs("bucket", prefix="kubeflow/runs/discs/")
    names = {blob.name.removeprefix("kubeflow/runs/discs/") for blob in blobs}
    pushed = in_bucket.artifacts["Pusher", "pushed_model"]["metadata"]["pushed_destination"]
    version = pushed.removeprefix("gs://bucket/kubeflow/runs/discs/")
    assert f"{version}/saved_model.pb" in names
    assert sum(name.endswith("/index.html") for name in names) == 1
    assert "schema.pbtxt" in names
    assert not [name for name in names if ".unfinished/" in name and not name.endswith("/")]


def test_a_later_training_starts_from_the_pushed_model_and_is_compared_with_it(
    claim, bucket, in_bucket
):
    version = claim.project.versions()[0]
    assert (
        f"Starts with the weights of the last blessed model, serving/discs/{version}."
        in in_bucket.log("Trainer")
    )
    blessing = in_bucket.artifacts["Evaluator", "blessing"]
    verdict = json.loads(bucket.cluster.store.read(blessing["uri"], "verdict.json"))
    assert verdict["baseline"] == f"serving/discs/{version}"
    assert any(rule["kind"] == "drop" for rule in verdict["rules"]), verdict["rules"]
    pushed = f"gs://bucket/kubeflow/runs/discs/serving/discs/{version}"
    assert blessing["metadata"]["baseline_model"] == pushed


def test_a_store_that_cannot_be_read_is_one_line(bucket, tmp_path):
    request = bucket.submit(data={"source": {"kind": "folder", "path": "gs://nowhere/cells"}})
    silent = Cluster(tmp_path, {}, bucket.cluster.environment | SILENT, bucket.cluster.mounts)
    messages = {
        bucket.cluster: "gs://nowhere/cells/images: no such folder. Check data.source",
        silent: "https://www.googleapis.com/storage/v1/b: Google Cloud Storage does not answer",
    }
    for cluster, message in messages.items():
        (pod,) = cluster.run(request).pods["LookOutside"]
        assert pod.message.startswith(message)
        assert "\n" not in pod.message
        assert "Traceback" not in pod.log
