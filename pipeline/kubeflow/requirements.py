"""Checks whether a config is suitable for Kubeflow or Vertex AI, without importing TFX or kfp."""

import importlib.util
import re
from collections.abc import Iterator

from data.config.sources import SpannedSource
from data.errors import InputError
from data.files.paths import is_remote, join, relative_path
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
        raise InputError(*problems)
    return config.kubeflow


def pipeline_name(name: str) -> str:
    """Returns the name of the pipeline on Kubeflow, such as `blue-marble` for `blue_marble`.

    Kubeflow allows only lower-case letters, digits and hyphens in the name.

    Args:
      name: Name of the pipeline in the config.

    Raises:
      InputError: The name contains no ASCII letter or digit.
    """
    valid = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not valid:
        raise InputError(f"name: {name!r} has no letter or digit; Kubeflow requires one.")
    return valid


def pipeline_root(config: Config) -> str:
    """Returns the folder for the artifacts; empty for the default of the cluster.

    Args:
      config: The config of the pipeline.
    """
    if config.kubeflow and config.kubeflow.pipeline_root:
        return config.kubeflow.pipeline_root
    return join(config.root, "artifacts") if is_remote(config.workspace) else ""


def paths(config: Config) -> Iterator[tuple[str, str]]:
    """Yields each path in the config that steps read or write, except for the pipeline root.

    Args:
      config: The config of the pipeline.

    Yields:
      The key in the config, such as `data.source.path`, and the path.
    """
    yield "workspace", config.workspace
    if isinstance(config.data.source, SpannedSource):
        yield "data.source.path", config.data.source.path
    if config.data.schema_file:
        yield "data.schema_file", config.data.schema_file
    if config.serving.push_to:
        yield "serving.push_to", config.serving.push_to


def _problems(config: Config) -> Iterator[str]:
    kubeflow = config.kubeflow
    if not kubeflow:
        yield "kubeflow: missing. Name the container image of the steps: kubeflow: {image: …}"
    claims = kubeflow.claims if kubeflow else []
    for key, path in paths(config):
        if not path.startswith("gs://") and not any(_is_within(path, each.path) for each in claims):
            yield (
                f"{key}: {path} is neither in a bucket nor in a mounted claim. Each step runs on a "
                "different machine: name a folder that all machines can reach, gs://BUCKET/FOLDER, "
                "or a folder in a claim (kubeflow.claims)."
            )
        if "$" in path:
            yield f"{key}: {path} contains $, which Kubernetes would expand. Rename the folder."
    root = kubeflow.pipeline_root if kubeflow else None
    if root and is_remote(config.workspace) and not root.startswith("gs://"):
        yield (
            f"kubeflow.pipeline_root: {root} is in another store than the workspace, "
            f"{config.workspace}. Name a folder on gs://, or remove the key."
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


def _is_within(path: str, folder: str) -> bool:
    return path.startswith("/") and relative_path(path, folder) is not None
