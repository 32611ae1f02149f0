"""Extends TFX's Kubeflow runner to complete and correct the packages that TFX compiles."""

import json
from pathlib import Path
from typing import Any

import yaml
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as v2

from components.example_gen.kubeflow import LookOutside
from data.errors import InputError
from pipeline.config.kubeflow import KubeflowConfig, Resources

_COMMAND = ("python", "-m", "pipeline.kubeflow.step")
_LOOK_OUTSIDE = LookOutside.__name__
_TRAINING = ("Trainer", "Tuner")
_GIB = 2**30 / 1e9  # number of gigabytes in a gibibyte


class PackageRunner(v2.KubeflowV2DagRunner):
    """Compiles a pipeline into a package (YAML or JSON) for Kubeflow Pipelines or Vertex AI."""

    def __init__(self, kubeflow: KubeflowConfig, package: Path) -> None:
        """Initialises the runner.

        Args:
          kubeflow: The `kubeflow:` section of the config.
          package: Path of the package to write; `tfx pipeline create` overrides this path.
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
          InputError: The package cannot be written.
        """
        job: dict[str, Any] = super().run(pipeline, parameter_values, write_out=False)
        _complete(job, self._kubeflow)
        if write_out:
            _write(job, self.package)
        return job


def _complete(job: dict[str, Any], kubeflow: KubeflowConfig) -> None:
    """Completes and corrects a compiled package in place.

    Adds the pipeline root and the resources, disables the cache for LookOutside, and corrects the
    producers of parameters.
    """
    spec = job["pipelineSpec"]
    # Kubeflow Pipelines receives only `pipelineSpec`, so the pipeline root is copied into it from
    # `runtimeConfig`.
    spec["defaultPipelineRoot"] = job["runtimeConfig"]["gcsOutputDirectory"]
    tasks = spec["root"]["dag"]["tasks"]
    # LookOutside must run every time, because its cache key does not include the contents of the
    # data and the schema file that it reads; a cached result might be out of date.
    tasks[_LOOK_OUTSIDE].pop("cachingOptions", None)
    for task in tasks.values():
        for parameter in task.get("inputs", {}).get("parameters", {}).values():
            # TFX's compiler names the wrong task as the producer of a parameter. The right one is
            # always LookOutside, because no other task produces parameters.
            if "taskOutputParameter" in parameter:
                parameter["taskOutputParameter"]["producerTask"] = _LOOK_OUTSIDE
    executors = spec["deploymentSpec"]["executors"]
    resources = _resource_spec(kubeflow.trainer)
    for name in _TRAINING:
        if resources and (executor := executors.get(f"{name}_executor")):
            executor["container"]["resources"] = resources


def _resource_spec(resources: Resources) -> dict[str, Any]:
    """Converts resources to a `ResourceSpec` message in JSON form.

    Each value appears twice: in a field that Vertex AI reads, such as `cpuLimit`, and in one that
    Kubeflow Pipelines reads, such as `resourceCpuLimit`.
    """
    spec: dict[str, Any] = {}
    for kind in ("Request", "Limit"):
        cpu, memory = (getattr(resources, f"{name}_{kind.lower()}") for name in ("cpu", "memory"))
        if cpu:
            spec |= {f"cpu{kind}": cpu, f"resourceCpu{kind}": f"{cpu:g}"}
        if memory:
            spec |= {
                f"memory{kind}": round(memory * _GIB, 6),
                f"resourceMemory{kind}": f"{memory:g}Gi",
            }
    if gpu := resources.gpu:
        spec["accelerator"] = {
            "type": gpu.type,
            "count": str(gpu.count),
            "resourceType": gpu.type,
            "resourceCount": str(gpu.count),
        }
    return spec


def _write(job: dict[str, Any], package: Path) -> None:
    for_vertex = package.suffix == ".json"
    text = json.dumps(job, indent=1) if for_vertex else yaml.safe_dump(job["pipelineSpec"])
    unfinished = package.with_name(f"{package.name}.unfinished")
    try:
        unfinished.write_text(text)
        unfinished.replace(package)
    except OSError as error:
        raise InputError(f"{package}: cannot be written ({error.strerror}).") from error
