"""The compiled package, run step by step as by the driver and launcher of a cluster."""

import itertools
import json
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp_spec

from pipeline.config.loading import load_config
from pipeline.kubeflow import step
from pipeline.kubeflow.package import compile_pipeline
from tests import warm_process

pytestmark = pytest.mark.slow
BUCKET = "gs://unetfx-test"


class Cluster:
    """Runs the tasks of a package, each in its own process, with a folder in place of the bucket.

    A step gets the same inputs as from KFP 2.16 (provisionOutputs and resolveInputs in
    backend/src/v2/driver, and backend/src/v2/component/launcher_v2.go).
    """

    def __init__(self, spec, folder):
        self.spec = json.loads(json.dumps(spec).replace(BUCKET, str(folder)))
        self.folder = folder
        self.artifacts, self.parameters, self.logs = {}, {}, {}
        self._ids = itertools.count(1)

    @property
    def tasks(self):
        return self.spec["root"]["dag"]["tasks"]

    def run_all(self):
        waiting = dict(self.tasks)
        while waiting:
            ready = [
                name
                for name, task in waiting.items()
                if not waiting.keys() & set(task.get("dependentTasks", []))
            ]
            for name in ready:
                self.run(name)
                del waiting[name]

    def run(self, name):
        executor_input, finished = self.start(name)
        assert finished.code == 0, finished.output[-3000:]
        output_file = Path(executor_input["outputs"]["outputFile"])
        output = json_format.Parse(output_file.read_text(), kfp_spec.ExecutorOutput())
        self._record(name, executor_input, json_format.MessageToDict(output))

    def start(self, name):
        """Runs the command of a task to its end; returns its executor input and the result."""
        task = self.tasks[name]
        component = self.spec["components"][task["componentRef"]["name"]]
        executor = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]
        executor_input = self._executor_input(name, task, component)
        json_format.ParseDict(executor_input, kfp_spec.ExecutorInput())
        container = executor["container"]
        args = [arg.replace("{{$}}", json.dumps(executor_input)) for arg in container["args"]]
        assert container["command"] == ["python", "-m", step.__name__]
        working_folder = self.folder / "working_folder"
        working_folder.mkdir(exist_ok=True)
        finished = warm_process.run(
            f"{step.__name__}:main",
            [step.__file__, *args],
            folder=working_folder,
            environment={"HOME": str(working_folder)},
        )
        self.logs[name] = finished.output
        return executor_input, finished

    def _executor_input(self, name, task, component):
        inputs, outputs = task.get("inputs", {}), component.get("outputDefinitions", {})
        parameters, artifacts = {}, {}
        for key, source in inputs.get("parameters", {}).items():
            if produced := source.get("taskOutputParameter"):
                producer = produced["producerTask"]
                parameters[key] = self.parameters[producer, produced["outputParameterKey"]]
            else:
                parameters[key] = source["runtimeValue"]["constant"]
        for key, source in inputs.get("artifacts", {}).items():
            produced = source["taskOutputArtifact"]
            artifact = self.artifacts[produced["producerTask"], produced["outputArtifactKey"]]
            artifacts[key] = {"artifacts": [artifact]}
        pod = self.folder / "pods" / f"{name}-{next(self._ids)}"
        pod.mkdir(parents=True)
        root = Path(self.spec["defaultPipelineRoot"], name, pod.name)
        for key, artifact in outputs.get("artifacts", {}).items():  # a bucket has no folders
            is_file = "tfx.String" in artifact["artifactType"]["instanceSchema"]
            (root if is_file else root / key).mkdir(parents=True, exist_ok=True)
        return {
            "inputs": {"parameterValues": parameters, "artifacts": artifacts},
            "outputs": {
                "artifacts": {
                    key: {"artifacts": [{"uri": str(root / key), "type": artifact["artifactType"]}]}
                    for key, artifact in outputs.get("artifacts", {}).items()
                },
                "parameters": {
                    key: {"outputFile": str(pod / key)} for key in outputs.get("parameters", {})
                },
                "outputFile": str(pod / "output_metadata.json"),
            },
        }

    def _record(self, name, executor_input, executor_output):
        for key, values in executor_input["outputs"]["artifacts"].items():
            artifact = dict(values["artifacts"][0], name=str(next(self._ids)))
            for output in executor_output.get("artifacts", {}).get(key, {}).get("artifacts", []):
                artifact |= {part: output[part] for part in ("uri", "metadata") if part in output}
            self.artifacts[name, key] = artifact
        for key in executor_input["outputs"]["parameters"]:
            self.parameters[name, key] = executor_output["parameterValues"][key]

    def path(self, task, key):
        return Path(self.artifacts[task, key]["uri"])


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project_in):
    folder = tmp_path_factory.mktemp("kubeflow")
    project = make_project_in(folder)
    config = yaml.safe_load(project.config.read_text())
    config["workspace"] = f"{BUCKET}/runs"
    config["data"]["source"]["path"] = f"{BUCKET}/data"
    config["training"] |= {"warm_start": True}
    config["kubeflow"] = {
        "image": "registry.example/unetfx:1-gpu",
        "trainer": {
            "cpu_request": 2,
            "cpu_limit": 4,
            "memory_limit": 8,
            "gpu": {"type": "nvidia.com/gpu", "count": 2},
        },
    }
    project.config.write_text(yaml.safe_dump(config))
    return project


@pytest.fixture(scope="module")
def package(project):
    return compile_pipeline(load_config(project.config), project.folder / "discs.yaml")


@pytest.fixture(scope="module")
def spec(package):
    return yaml.safe_load(package.read_text())


@pytest.fixture(scope="module")
def cluster(spec, project):
    cluster = Cluster(spec, project.folder)
    cluster.run_all()
    return cluster


def test_the_package_matches_the_protos_of_kfp(spec):
    parsed = json_format.ParseDict(spec, kfp_spec.PipelineSpec())
    deployment = json_format.ParseDict(spec["deploymentSpec"], kfp_spec.PipelineDeploymentConfig())
    tasks = parsed.root.dag.tasks
    assert parsed.schema_version == "2.1.0"
    assert parsed.default_pipeline_root == f"{BUCKET}/runs/discs/artifacts"
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
        assert container.image == "registry.example/unetfx:1-gpu"
        # Kubeflow Pipelines runs no lifecycle hooks.
        assert not container.HasField("lifecycle")


def test_kfp_reads_the_package(package):
    loaded = components.load_component_from_file(str(package))
    assert loaded.component_spec.name == "discs"


def test_only_look_outside_is_never_cached(spec):
    tasks = spec["root"]["dag"]["tasks"]
    uncached = {name for name, task in tasks.items() if "cachingOptions" not in task}
    assert uncached == {"LookOutside"}


def test_only_the_trainer_has_the_configured_resources(spec):
    executors = spec["deploymentSpec"]["executors"]
    assert executors["Trainer_executor"]["container"]["resources"] == {
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
    assert "resources" not in executors["Evaluator_executor"]["container"]


@pytest.mark.timeout(1500)
def test_the_steps_run_from_files_to_a_pushed_model(cluster, project):
    (version,) = project.versions()
    pushed = project.home / "serving" / "discs" / version
    assert cluster.artifacts["Pusher", "pushed_model"]["metadata"]["pushed_destination"] == str(
        pushed
    )
    assert "Starts cold: no model with these classes" in cluster.logs["Trainer"]
    verdict = json.loads((cluster.path("Evaluator", "blessing") / "verdict.json").read_text())
    assert verdict["blessed"]
    assert verdict["baseline"] is None
    schema = project.home / "schema.pbtxt"
    assert schema.read_text() == (cluster.path("SchemaGen", "schema") / "schema.pbtxt").read_text()
    assert cluster.parameters["LookOutside", "schema"] == ""
    assert not list((project.home / "artifacts" / "Trainer" / ".unfinished").iterdir())
    assert not list((project.folder / "working_folder").rglob("*.h5"))


def test_the_report_is_copied_to_the_reports_of_the_workspace(cluster, project):
    (metrics,) = project.reports()
    assert metrics.read_bytes() == (cluster.path("Report", "report") / "metrics.json").read_bytes()
    page = (metrics.parent / "index.html").read_text()
    assert f"<p>Run {metrics.parent.name}</p>" in page
    assert cluster.parameters["LookOutside", "fingerprint"] in page
    assert "no anomalies" in page


@pytest.mark.timeout(1500)
def test_a_later_training_starts_from_the_pushed_model_and_is_compared_with_it(cluster, project):
    (version,) = project.versions()
    cluster.run("Trainer")
    assert (
        f"Starts with the weights of the last blessed model, serving/discs/{version}."
        in (cluster.logs["Trainer"])
    )
    cluster.run("Evaluator")
    verdict = json.loads((cluster.path("Evaluator", "blessing") / "verdict.json").read_text())
    assert verdict["baseline"] == f"serving/discs/{version}"
    assert any(rule["kind"] == "drop" for rule in verdict["rules"]), verdict["rules"]


def test_the_log_of_a_step_with_bad_data_ends_in_one_line(cluster, project):
    mask = sorted((project.folder / "data" / "masks").iterdir())[0]
    content = mask.read_bytes()
    mask.write_bytes(content[: len(content) // 2])
    try:
        _, finished = cluster.start("ExampleGen")
    finally:
        mask.write_bytes(content)
    assert finished.code == 2
    assert "Traceback" not in finished.output
    assert finished.output.splitlines()[-1].startswith("unetfx: ")
    assert mask.name in finished.output.splitlines()[-1]
