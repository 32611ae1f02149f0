"""Extends TFX's Kubeflow runner to complete and correct the packages that TFX compiles."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as v2

from components.example_gen.kubeflow import LookOutside
from data.errors import InputError
from data.files.writing import write_text
from pipeline.config.kubeflow import Claim, KubeflowConfig, StepConfig

_COMMAND = ("python", "-m", "pipeline.kubeflow.step")
_LOOK_OUTSIDE = LookOutside.__name__
_GIB = 2**30 / 1e9  # number of gigabytes in a gibibyte
# The delay before each retry of a step. Without these values, Argo would retry at once.
_BACKOFF = {"backoffDuration": "60s", "backoffFactor": 2, "backoffMaxDuration": "3600s"}


class PackageRunner(v2.KubeflowV2DagRunner):
    """Compiles a pipeline into a package (YAML or JSON) for Kubeflow Pipelines or Vertex AI."""

    def __init__(self, kubeflow: KubeflowConfig, package: Path) -> None:
        """Initialises the runner.

        Args:
          kubeflow: The `kubeflow:` section of the config.
          package: Path of the package to write; `tfx … --engine vertex` overrides this path.
        """
        settings = v2.KubeflowV2DagRunnerConfig(
            default_image=kubeflow.image, default_commands=_COMMAND, use_pipeline_spec_2_1=True
        )
        super().__init__(settings, str(package.parent), package.name)
        self._kubeflow = kubeflow

    @property
    def package(self) -> Path:
        """Path of the package that `run` writes."""
        return Path(self._output_dir, self._output_filename)

    def run(
        self,
        pipeline: tfx.dsl.Pipeline,
        parameter_values: dict[str, Any] | None = None,
        write_out: bool | None = True,
    ) -> dict[str, Any]:
        """Compiles a pipeline and writes the package.

        Args:
          pipeline: The TFX pipeline to compile.
          parameter_values: Values of the runtime parameters, by name; None for their defaults.
          write_out: Whether to write the package to `self.package`.

        Returns:
          The package, which is a `PipelineJob` message in JSON form.

        Raises:
          InputError: The package cannot be written, or the package is for Vertex AI but the config
            contains claims, which Vertex AI cannot mount.
        """
        job: dict[str, Any] = super().run(pipeline, parameter_values, write_out=False)
        _complete(job, self._kubeflow)
        if write_out:
            _write(job, self._kubeflow, self.package)
        return job


def _complete(job: dict[str, Any], kubeflow: KubeflowConfig) -> None:
    """Completes and corrects a compiled package in place.

    Adds the pipeline root, the retries and the resources, disables the cache for LookOutside,
    corrects the producers of parameters, and escapes placeholders in the values of parameters.
    """
    spec = job["pipelineSpec"]
    if root := job["runtimeConfig"].get("gcsOutputDirectory"):
        # Kubeflow Pipelines receives only `pipelineSpec`. It ignores this entry, but the code that
        # creates a run reads the pipeline root from it.
        spec["defaultPipelineRoot"] = root
    tasks = spec["root"]["dag"]["tasks"]
    # LookOutside must run every time, because its cache key does not include the contents of the
    # data and the schema file that it reads; a cached result might be out of date.
    tasks[_LOOK_OUTSIDE].pop("cachingOptions", None)
    for name, task in tasks.items():
        for parameter in task.get("inputs", {}).get("parameters", {}).values():
            # TFX's compiler names the wrong task as the producer of a parameter. The right one is
            # always LookOutside, because no other task produces parameters.
            if "taskOutputParameter" in parameter:
                parameter["taskOutputParameter"]["producerTask"] = _LOOK_OUTSIDE
            else:
                value = parameter["runtimeValue"]
                value["constant"] = _without_placeholders(value["constant"])
        step = kubeflow.step(name)
        if step.retries:
            task["retryPolicy"] = {"maxRetryCount": step.retries, **_BACKOFF}
        if resources := _resource_spec(step):
            executor = spec["deploymentSpec"]["executors"][f"{name}_executor"]
            executor["container"]["resources"] = resources


def _without_placeholders(value: Any) -> Any:
    """Escapes character sequences in JSON text that a cluster would replace; returns the result.

    Kubernetes replaces `$$` and `$(NAME)` in the arguments of a container, the launcher of Kubeflow
    Pipelines replaces `{{$…}}`, and Argo replaces `{{…}}`. In JSON, an escaped character has the
    same meaning. Values that are not JSON objects or lists are returned unchanged.
    """
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    return value.replace("$", r"\u0024").replace("{{", r"{\u007b")


def _resource_spec(step: StepConfig) -> dict[str, Any]:
    """Converts a step's resources to a `ResourceSpec` message in JSON form.

    Each value appears twice: in a field that Vertex AI reads, such as `cpuLimit`, and in one that
    Kubeflow Pipelines reads, such as `resourceCpuLimit`.
    """
    spec: dict[str, Any] = {}
    for kind in ("Request", "Limit"):
        cpu, memory = (getattr(step, f"{name}_{kind.lower()}") for name in ("cpu", "memory"))
        if cpu:
            spec |= {f"cpu{kind}": cpu, f"resourceCpu{kind}": f"{cpu:g}"}
        if memory:
            spec |= {
                f"memory{kind}": round(memory * _GIB, 6),
                f"resourceMemory{kind}": f"{memory:g}Gi",
            }
    if gpu := step.gpu:
        spec["accelerator"] = {
            "type": gpu.type,
            "count": str(gpu.count),
            "resourceType": gpu.type,
            "resourceCount": str(gpu.count),
        }
    return spec


def _platform_spec(claims: Sequence[Claim], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a `PlatformSpec` message, in JSON form, that mounts all claims in each step.

    The message has the same form as one that the package kfp-kubernetes would write.

    Args:
      claims: The PersistentVolumeClaims.
      spec: The `PipelineSpec` message of the same package, in JSON form.
    """
    # The key `constant` is used instead of the newer `pvcNameParameter`, because older versions of
    # Kubeflow Pipelines reject unknown keys.
    executors = {
        name: {"pvcMount": [{"constant": each.name, "mountPath": each.path} for each in claims]}
        for name in spec["deploymentSpec"]["executors"]
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _write(job: Mapping[str, Any], kubeflow: KubeflowConfig, package: Path) -> None:
    if package.suffix == ".json":
        if kubeflow.claims:
            raise InputError(
                "kubeflow.claims: Vertex AI has no PersistentVolumeClaims. Remove the key, and put "
                "the workspace and the data in a bucket, gs://BUCKET/FOLDER."
            )
        text = json.dumps(job, indent=1)
    else:
        documents = [spec := job["pipelineSpec"]]
        if kubeflow.claims:
            documents.append(_platform_spec(kubeflow.claims, spec))
        text = yaml.safe_dump_all(documents)
    write_text(str(package), text)
