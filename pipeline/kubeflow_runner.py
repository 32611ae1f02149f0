"""Compiles the pipeline into a package for Kubeflow Pipelines or Vertex AI.

    python pipeline/kubeflow_runner.py [PACKAGE]
    tfx pipeline create --engine vertex --pipeline_path pipeline/kubeflow_runner.py

The environment variable UNETFX_CONFIG names the config file. A package whose name ends in `.json`
is Vertex AI's; any other is Kubeflow Pipelines', in YAML.
"""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from data.config import SampleSource, TfdsSource
from data.errors import InputError, UnetfxError
from data.files import is_remote
from pipeline.config.config import Config
from pipeline.config.kubeflow import KubeflowConfig, Resources
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT, DONE

if TYPE_CHECKING:
    from tfx import v1 as tfx

_STEP = ("python", "-m", "pipeline.kubeflow.step")
_TRAINING = ("Trainer", "Tuner")
_GIB = 2**30 / 1e9  # in GB


def compile_pipeline(config: Config, package: Path | None = None) -> Path:
    """Compiles the pipeline that a config describes, without reaching a cluster or a bucket.

    Args:
      config: The config.
      package: The file to write; `<pipeline>.yaml` in the current folder if it is None.

    Returns:
      The package.

    Raises:
      InputError: The config has what no cluster can do, or kfp is not installed.
    """
    kubeflow = check(config)
    # Imported here: TensorFlow, TFX and kfp take seconds to load, and bad input is told before.
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as v2

    from pipeline.create_pipeline import create_pipeline

    class Runner(v2.KubeflowV2DagRunner):
        """TFX's, whose package is then made whole. TFX's command line says where to write it."""

        def run(
            self,
            pipeline: "tfx.dsl.Pipeline",
            parameter_values: dict[str, Any] | None = None,
            write_out: bool | None = True,
        ) -> dict[str, Any]:
            """Compiles a pipeline.

            Args:
              pipeline: TFX's.
              parameter_values: Runtime parameters' values.
              write_out: Whether to write the package.

            Returns:
              The package as a `PipelineJob` in JSON.
            """
            job: dict[str, Any] = super().run(pipeline, parameter_values, write_out=False)
            _complete(job, kubeflow)
            if write_out:
                _write(job, Path(self._output_dir, self._output_filename))
            return job

    pipeline = create_pipeline(config, on_kubeflow=True)
    pipeline.pipeline_info.pipeline_name = pipeline_name(config)
    pipeline.enable_cache = kubeflow.cache
    package = (package or Path(f"{pipeline_name(config)}.yaml")).absolute()
    runner = Runner(
        v2.KubeflowV2DagRunnerConfig(
            default_image=kubeflow.image, default_commands=_STEP, use_pipeline_spec_2_1=True
        ),
        output_dir=str(package.parent),
        output_filename=package.name,
    )
    runner.run(pipeline)
    return Path(runner._output_dir, runner._output_filename)


def pipeline_name(config: Config) -> str:
    """Returns the pipeline's name as Kubeflow takes it: `blue_marble` is `blue-marble` there.

    Args:
      config: Names the pipeline.

    Raises:
      InputError: Nothing is left of it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    if not name:
        raise InputError(f"name: {config.name!r} has no letter or digit, which Kubeflow asks for.")
    return name


def check(config: Config) -> KubeflowConfig:
    """Looks for what no cluster can do with a config.

    Args:
      config: The config.

    Returns:
      Its `kubeflow:` section.

    Raises:
      InputError: A line for each thing that is wrong.
    """
    problems = []
    if not config.kubeflow:
        problems.append(
            "kubeflow: missing. Say which container image the steps run in: kubeflow: {image: …}"
        )
    if not config.workspace.startswith("gs://"):
        problems.append(
            f"workspace: {config.workspace} is no bucket. Each step runs on another machine: name "
            "a folder that all of them reach, gs://BUCKET/FOLDER."
        )
    source = config.data.source
    if not isinstance(source, SampleSource | TfdsSource):
        path = source.path
        if not is_remote(path) and not Path(path).is_absolute():
            problems.append(
                f"data.source.path: {path} is a folder of this machine. Name one that the steps "
                "reach, gs://BUCKET/FOLDER, or where it is mounted in the containers: /FOLDER."
            )
    if config.serving.infra_validator:
        problems.append(
            "serving.infra_validator: TFX's InfraValidator does not run on Kubeflow Pipelines 2. "
            "Leave it out; ServingCheck loads the model in any case."
        )
    if importlib.util.find_spec("kfp") is None:
        problems.append(
            "kfp is not installed, which compiles for Kubeflow. Install it: "
            "pip install unetfx[kubeflow]"
        )
    if problems or not config.kubeflow:
        raise InputError("\n".join(problems))
    return config.kubeflow


def _complete(job: dict[str, Any], kubeflow: KubeflowConfig) -> None:
    """Adds to a package what TFX's compiler leaves out."""
    spec = job["pipelineSpec"]
    # Kubeflow Pipelines' packages hold the specification alone.
    spec["defaultPipelineRoot"] = job["runtimeConfig"]["gcsOutputDirectory"]
    tasks = spec["root"]["dag"]["tasks"]
    # It looks at what the cache knows nothing of.
    tasks["LookOutside"].pop("cachingOptions", None)
    for task in tasks.values():
        for parameter in task.get("inputs", {}).get("parameters", {}).values():
            # TFX's compiler names the producer of a parameter otherwise than its task.
            if "taskOutputParameter" in parameter:
                parameter["taskOutputParameter"]["producerTask"] = "LookOutside"
    executors = spec["deploymentSpec"]["executors"]
    resources = _resources(kubeflow.trainer)
    for name in _TRAINING:
        if resources and (executor := executors.get(f"{name}_executor")):
            executor["container"]["resources"] = resources


def _resources(asked: Resources) -> dict[str, Any]:
    """A `ResourceSpec` in JSON; as kfp's own, with numbers for Vertex AI and words for Kubeflow."""
    found: dict[str, Any] = {}
    for kind in ("Request", "Limit"):
        cpu, memory = (getattr(asked, f"{name}_{kind.lower()}") for name in ("cpu", "memory"))
        if cpu:
            found |= {f"cpu{kind}": cpu, f"resourceCpu{kind}": f"{cpu:g}"}
        if memory:
            found |= {
                f"memory{kind}": round(memory * _GIB, 6),
                f"resourceMemory{kind}": f"{memory:g}Gi",
            }
    if gpu := asked.gpu:
        found["accelerator"] = {
            "type": gpu.type,
            "count": str(gpu.count),
            "resourceType": gpu.type,
            "resourceCount": str(gpu.count),
        }
    return found


def _write(job: dict[str, Any], package: Path) -> None:
    for_vertex = package.suffix == ".json"
    text = json.dumps(job, indent=1) if for_vertex else yaml.safe_dump(job["pipelineSpec"])
    unfinished = package.with_name(f"{package.name}.unfinished")
    try:
        unfinished.write_text(text)
        unfinished.replace(package)
    except OSError as error:
        raise InputError(f"{package}: cannot be written ({error.strerror}).") from error


def main() -> int:
    """Compiles the pipeline of the config that the environment names, and returns the exit code."""
    try:
        package = compile_pipeline(
            load_config(config_path()), Path(sys.argv[1]) if len(sys.argv) > 1 else None
        )
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT
    print(f"Package   {os.path.relpath(package)}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
