"""The `kubeflow:` section of a config file, readable without kfp."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Positive, Strict

StepName = Literal[
    "default",
    "LookOutside",
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "GateCheck",
    "Evaluator",
    "ServingCheck",
    "Report",
    "Pusher",
]
"""A key of `kubeflow.steps`: a step of the pipeline on a cluster, or `default`."""
_RESERVED = ("gcs", "minio", "s3", "tmp")
"""Folders of a container that Kubeflow Pipelines itself uses."""


class Accelerator(Strict):
    """GPUs of a step.

    Attributes:
      type: Type of the GPUs: on Kubernetes the name of the resource (`nvidia.com/gpu`), on Vertex
        AI the GPU model (`NVIDIA_TESLA_T4`).
      count: Number of GPUs.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    count: Annotated[int, Field(ge=1)] = 1


class StepConfig(Strict):
    """Resources and retries of a step.

    Attributes:
      cpu_request: Number of reserved CPU cores; null for the default of the cluster.
      cpu_limit: Maximum number of CPU cores; null for the default of the cluster.
      memory_request: Reserved memory in GiB; null for the default of the cluster.
      memory_limit: Maximum memory in GiB, above which the step is killed; null for the default of
        the cluster.
      gpu: Type and number of GPUs; null for no GPU.
      retries: Number of retries after a failure or a killed container, the first one after a
        minute. A retried training or search continues where it was interrupted.
    """

    cpu_request: Positive | None = None
    cpu_limit: Positive | None = None
    memory_request: Positive | None = None
    memory_limit: Positive | None = None
    gpu: Accelerator | None = None
    retries: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _requests_are_within_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = (getattr(self, f"{name}_{kind}") for kind in ("request", "limit"))
            if request and limit and request > limit:
                raise ValueError(f"{name}_request: {request:g} is above {name}_limit: {limit:g}")
        return self


class Claim(Strict):
    """A PersistentVolumeClaim that is mounted in the containers of all steps.

    Attributes:
      name: Name of the claim, in the namespace of the runs.
      path: Absolute path at which the volume is mounted in the containers.
    """

    # Kubeflow Pipelines names the volume of a pod after the claim, and a volume has such a name.
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$")]

    @field_validator("path")
    @classmethod
    def _is_not_reserved(cls, path: str) -> str:
        folder = path.split("/")[1]
        if folder in _RESERVED:
            raise ValueError(f"{path} is in /{folder}, which Kubeflow Pipelines uses")
        return path


class KubeflowConfig(Strict):
    """Settings for running the pipeline on Kubeflow Pipelines or Vertex AI.

    Attributes:
      image: Container image for all steps, built from this repository's Dockerfile, with its tag or
        digest.
      trainer: Resources and retries of the Trainer and the Tuner.
      steps: Resources and retries of other steps, by name; `default` is for the steps without an
        entry. Steps without any entry use the defaults of the cluster.
      claims: PersistentVolumeClaims that are mounted in all steps of Kubeflow Pipelines. The
        workspace and the data may be in these volumes instead of a bucket.
      pipeline_root: Folder of the artifacts, on `gs://`, `s3://` or `minio://`. Null for
        `<workspace>/<name>/artifacts` if the workspace is in a bucket, else for the default of the
        cluster.
      cache: Whether a step reuses the outputs of an earlier execution with the same inputs,
        parameters and image.
    """

    image: Annotated[str, Field(pattern=r"^\S+$")]
    trainer: StepConfig = StepConfig()
    steps: dict[StepName, StepConfig] = {}  # noqa: RUF012
    claims: list[Claim] = []  # noqa: RUF012
    pipeline_root: Annotated[str, Field(pattern=r"^(gs|s3|minio)://[^/?]+(/[^?]*)?$")] | None = None
    cache: bool = True

    @field_validator("claims")
    @classmethod
    def _claims_differ(cls, claims: list[Claim]) -> list[Claim]:
        for key in ("name", "path"):
            values = [getattr(claim, key) for claim in claims]
            if repeated := {value for value in values if values.count(value) > 1}:
                raise ValueError(f"several claims have the {key} {', '.join(sorted(repeated))}")
        return claims

    def step(self, name: str) -> StepConfig:
        """Returns the resources and retries of a step.

        Args:
          name: Name of the step, such as `Evaluator`.
        """
        if name in ("Trainer", "Tuner"):
            return self.trainer
        by_name = dict[str, StepConfig](self.steps.items())
        return by_name.get(name) or by_name.get("default") or StepConfig()
