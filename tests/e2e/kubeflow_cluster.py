"""Simulates Kubeflow Pipelines 2.16 on one machine: its driver and cache, and Argo's retries.

The simulation follows the source code in backend/src/v2/driver, cacheutils and
compiler/argocompiler of kubeflow/pipelines. The package comes from a request to the API, and each
step runs in a pod of its own.
"""

import copy
import itertools
import json
import re
import uuid

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp_spec

from tests.e2e.kubeflow_launcher import (
    FOLDERS,
    LOGS,
    Store,
    launch,
    local_path,
    start_process,
)

DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"
SUCCEEDED, CACHED, FAILED, OMITTED = "Succeeded", "Cached", "Failed", "Omitted"


class Run:
    """The results of a run.

    Attributes:
      states: State of each task.
      artifacts: Output artifacts by task and key, as in ML Metadata.
      parameters: Output parameters by task and key.
      pods: Results of all attempts at each task, one for each pod.
      root: URI of the folder for the run's artifacts.
    """

    def __init__(self, root):
        self.root = root
        self.states, self.artifacts, self.parameters, self.pods = {}, {}, {}, {}

    def log(self, task):
        return self.pods[task][-1].log

    def check(self):
        """Fails if a task has failed, with the end of its log."""
        for task, pods in self.pods.items():
            assert pods[-1].code == 0, f"{task}\n{pods[-1].log[-3000:]}"


class Cluster:
    """A simulated cluster with Kubeflow Pipelines.

    Attributes:
      folder: Folder for the pods.
      claims: Folder on this machine for each claim, by the name of the claim.
      environment: Additional environment variables for all pods.
      mounts: Additional folders and files of this machine to mount in all pods, by path in the pod.
      store: The store of the artifacts.
      started: Functions by the name of a task. Each function is called with the process of every
        pod that the task starts.
      start: Function that starts the pod of a step, such as `start_process`.
    """

    def __init__(self, folder, claims=(), environment=(), mounts=(), start=start_process):
        self.folder, self.claims = folder, dict(claims)
        self.environment, self.mounts = dict(environment), dict(mounts)
        self.store, self.started, self.start = Store(), {}, start
        self._cache, self._ids = {}, itertools.count(1)

    def run(self, request):
        """Runs a pipeline.

        Args:
          request: The body of a request to create a run.

        Returns:
          The results, as a `Run`.
        """
        document = request["pipeline_spec"]
        spec = document.get("pipeline_spec", document)
        json_format.ParseDict(spec, kfp_spec.PipelineSpec())
        json_format.ParseDict(document.get("platform_spec", {}), kfp_spec.PlatformSpec())
        mounts = _claims(document.get("platform_spec", {}))
        # Kubeflow Pipelines ignores the pipeline root in the package.
        base = request.get("runtime_config", {}).get("pipeline_root") or DEFAULT_ROOT
        name = spec["pipelineInfo"]["name"]
        run = Run(f"{base.rstrip('/')}/{name}/{uuid.uuid4()}")
        waiting = dict(spec["root"]["dag"]["tasks"])
        while waiting:
            ready = [
                task
                for task, each in waiting.items()
                if not waiting.keys() & set(each.get("dependentTasks", []))
            ]
            for task in ready:
                before = waiting.pop(task).get("dependentTasks", [])
                if {run.states[each] for each in before} <= {SUCCEEDED, CACHED}:
                    run.states[task] = self._run_task(run, spec, task, mounts)
                else:
                    run.states[task] = OMITTED
        return run

    def _run_task(self, run, spec, name, mounts):
        task = spec["root"]["dag"]["tasks"][name]
        component = spec["components"][task["componentRef"]["name"]]
        executor = component["executorLabel"]
        container = spec["deploymentSpec"]["executors"][executor]["container"]
        inputs = _resolve(run, task)
        outputs = _provision(run.root, name, component)
        arguments = [*container["command"], *container.get("args", [])]
        key = json.dumps(
            [
                spec["pipelineInfo"]["name"],
                {
                    key: [each["name"] for each in values["artifacts"]]
                    for key, values in inputs["artifacts"].items()
                },
                inputs["parameterValues"],
                {
                    key: values["artifacts"][0]["type"]
                    for key, values in outputs["artifacts"].items()
                },
                sorted(outputs["parameters"]),
                *(arguments, container["image"]),
                sorted({claim for claim, _ in mounts.get(executor, [])}),
            ],
            sort_keys=True,
        )
        is_cached = task.get("cachingOptions", {}).get("enableCache", False)
        if is_cached and key in self._cache:
            artifacts, parameters = self._cache[key]
            self._record(run, name, artifacts, parameters)
            return CACHED
        executor_input = {"inputs": inputs, "outputs": outputs}
        arguments = [_with_parameters(each, inputs["parameterValues"]) for each in arguments]
        result = self._attempt(run, name, task, executor_input, arguments, mounts.get(executor, []))
        if result.code:
            return FAILED
        artifacts = {
            key: artifact | {"id": next(self._ids)} for key, artifact in result.artifacts.items()
        }
        self._record(run, name, artifacts, result.parameters)
        if is_cached:
            self._cache[key] = artifacts, result.parameters
        return SUCCEEDED

    def _attempt(self, run, name, task, executor_input, arguments, mounts):
        """Runs a task in new pods until a pod succeeds or no retries are left."""
        retries = task.get("retryPolicy", {}).get("maxRetryCount")
        for attempt in range((retries or 0) + 1):
            step = copy.deepcopy(executor_input)
            if retries is not None:
                step["outputs"]["artifacts"][LOGS]["artifacts"][0]["uri"] += f"-{attempt}"
            pod = f"{name.lower()}-{next(self._ids)}"
            environment = {"KFP_POD_NAME": pod} | self.environment
            result = launch(
                pod,
                _expanded(json.dumps(step), environment),
                [_expanded(each, environment) for each in arguments],
                store=self.store,
                run_root=run.root,
                root=self.folder / pod,
                pod_options={
                    "environment": self.environment,
                    "mounts": self.mounts | {path: self.claims[claim] for claim, path in mounts},
                    "start": self.start,
                    "started": self.started.get(name, lambda process: None),
                },
            )
            run.pods.setdefault(name, []).append(result)
            if not result.code:
                break
        return result

    def _record(self, run, name, artifacts, parameters):
        run.artifacts |= {(name, key): artifact for key, artifact in artifacts.items()}
        run.parameters |= {(name, key): value for key, value in parameters.items()}


def _claims(platform_spec):
    """Returns the claims of each executor, as pairs of the claim's name and the mount path."""
    kubernetes = platform_spec.get("platforms", {}).get("kubernetes", {})
    claims = {}
    for name, config in kubernetes.get("deploymentSpec", {}).get("executors", {}).items():
        assert set(config) == {"pvcMount"}, config
        assert all(set(mount) == {"constant", "mountPath"} for mount in config["pvcMount"])
        claims[name] = [(mount["constant"], mount["mountPath"]) for mount in config["pvcMount"]]
    return claims


def _resolve(run, task):
    """Returns the inputs of a task; like the real driver, omits the types of artifacts."""
    parameters, artifacts = {}, {}
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        if produced := source.get("taskOutputParameter"):
            producer = produced["producerTask"]
            parameters[key] = run.parameters[producer, produced["outputParameterKey"]]
        else:
            parameters[key] = source["runtimeValue"]["constant"]
    for key, source in task.get("inputs", {}).get("artifacts", {}).items():
        produced = source["taskOutputArtifact"]
        artifact = run.artifacts[produced["producerTask"], produced["outputArtifactKey"]]
        runtime = {
            "name": str(artifact["id"]),
            "type": {"instanceSchema": ""},
            "uri": artifact["uri"],
            "metadata": artifact["metadata"],
        }
        artifacts[key] = {"artifacts": [runtime]}
    return {"parameterValues": parameters, "artifacts": artifacts}


def _provision(root, name, component):
    """Returns the outputs of a task, which include an additional artifact for the log."""
    definitions = component.get("outputDefinitions", {})
    kinds = {key: each["artifactType"] for key, each in definitions.get("artifacts", {}).items()}
    kinds[LOGS] = {"schemaTitle": "system.Artifact"}
    folder = f"{root}/{name}/{uuid.uuid4()}"
    bucket = "/".join(local_path(root).split("/")[:3])
    assert any(bucket.startswith(each) for each in FOLDERS.values())
    return {
        "artifacts": {
            key: {"artifacts": [{"name": key, "uri": f"{folder}/{key}", "type": kind}]}
            for key, kind in kinds.items()
        },
        "parameters": {
            key: {"outputFile": f"/tmp/kfp/outputs/{key}"}
            for key in definitions.get("parameters", {})
        },
        "outputFile": f"{local_path(folder)}/output_metadata.json",
    }


def _with_parameters(argument, parameters):
    """Replaces placeholders for input parameters in an argument, as the driver does."""
    for key, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value)
        argument = argument.replace(f"{{{{$.inputs.parameters['{key}']}}}}", text)
    return argument


def _expanded(text, environment):
    """Expands `$$` and `$(NAME)`, as Kubernetes does in the command of a container."""
    return re.sub(
        r"\$(?:\$|\(([^)]+)\))",
        lambda match: "$" if match[0] == "$$" else environment.get(match[1], match[0]),
        text,
    )
