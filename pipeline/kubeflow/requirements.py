"""Checks whether a config is suitable for Kubeflow or Vertex AI, without importing TFX or kfp."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from data.errors import InputError
from data.files import is_remote
from data.source_config import SpannedSource
from pipeline.config.config import Config
from pipeline.config.kubeflow import KubeflowConfig


def check_config(config: Config) -> KubeflowConfig:
    """Checks that the pipeline can run on a cluster with this config, and that kfp is installed.

    Args:
      config: The config of the pipeline.

    Returns:
      The `kubeflow:` section of the config.

    Raises:
      InputError: The pipeline cannot run on a cluster with this config, or kfp is not installed.
        The message has one line for each problem.
    """
    problems = list(_problems(config))
    if problems or not config.kubeflow:
        raise InputError("\n".join(problems))
    return config.kubeflow


def pipeline_name(config: Config) -> str:
    """Returns the name of the pipeline on Kubeflow, such as `blue-marble` for `blue_marble`.

    Kubeflow allows only lower-case letters, digits and hyphens in the name.

    Args:
      config: The config of the pipeline.

    Raises:
      InputError: The name in the config contains no ASCII letter or digit.
    """
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    if not name:
        raise InputError(f"name: {config.name!r} has no letter or digit; Kubeflow requires one.")
    return name


def _problems(config: Config) -> Iterator[str]:
    if not config.kubeflow:
        yield "kubeflow: missing. Name the container image of the steps: kubeflow: {image: …}"
    if not config.workspace.startswith("gs://"):
        yield (
            f"workspace: {config.workspace} is not in a bucket. Each step runs on a different "
            "machine: name a folder that all machines can reach, gs://BUCKET/FOLDER."
        )
    source = config.data.source
    if isinstance(source, SpannedSource):
        path = source.path
        if not is_remote(path) and not Path(path).is_absolute():
            yield (
                f"data.source.path: {path} is a folder on this machine. Name a folder that the "
                "steps can reach: gs://BUCKET/FOLDER, or /FOLDER where it is mounted in the "
                "containers."
            )
    if config.serving.infra_validator:
        yield (
            "serving.infra_validator: TFX's InfraValidator does not run on Kubeflow Pipelines 2. "
            "Remove the key; ServingCheck still loads the model."
        )
    if importlib.util.find_spec("kfp") is None:
        yield (
            "kfp is not installed, but compiling for Kubeflow needs it. Install it: "
            "pip install unetfx[kubeflow]"
        )
