"""The `kubeflow:` section of a config file; this module can be used without kfp."""

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
"""Keys of `kubeflow.steps`: the steps on a cluster without Trainer and Tuner, and `default`."""
_RESERVED = ("gcs", "minio", "s3", "tmp")
"""Names of top-level folders in a container that Kubeflow Pipelines itself uses."""


class Accelerator(Strict):
    """GPUs for a step.

    Attributes:
      type: Type of GPU: on Kubernetes, the name of the resource, such as `nvidia.com/gpu`; on
        Vertex AI, the GPU model, such as `NVIDIA_TESLA_T4`.
      count: Number of GPUs.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    count: Annotated[int, Field(ge=1)] = 1


class StepConfig(Strict):
    """Resources and retries of a step.

    Attributes:
      cpu_request: Number of CPU cores to reserve; null for the cluster's default.
      cpu_limit: Maximum number of CPU cores; null for the cluster's default.
      memory_request: Memory to reserve, in GiB; null for the cluster's default.
      memory_limit: Maximum memory, in GiB; a step that exceeds this limit is killed. Null for the
        cluster's default.
      gpu: Type and number of GPUs; null for no GPU.
      retries: Maximum number of retries after the step fails or its container is killed. The first
        retry starts after one minute. The retried Trainer or Tuner continues where it was
        interrupted.
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

    # Kubeflow Pipelines gives the pod's volume the name of the claim, and Kubernetes allows only
    # names of this form for volumes.
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
      image: Container image for all steps, with its tag or digest. The image is built from this
        repository's Dockerfile.
      trainer: Resources and retries of the Trainer and the Tuner.
      steps: Resources and retries of the other steps, by step name. The entry `default` applies to
        steps without an entry of their own; without `default`, such steps use the cluster's
        defaults and are not retried.
      claims: PersistentVolumeClaims that Kubeflow Pipelines mounts in all steps. The workspace and
        the data may be in these volumes instead of a bucket.
      pipeline_root: Folder for the artifacts, on `gs://`, `s3://` or `minio://`. If null, the
        folder is `<workspace>/<name>/artifacts` for a workspace in a bucket, and otherwise the
        cluster's default.
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
        """Returns the resources and retries of a step; without entries, those of an empty section.

        Args:
          name: Name of the step, such as `Evaluator`.
        """
        if name in ("Trainer", "Tuner"):
            return self.trainer
        by_name = dict[str, StepConfig](self.steps.items())
        return by_name.get(name) or by_name.get("default") or StepConfig()
