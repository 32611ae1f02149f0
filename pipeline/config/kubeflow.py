"""The `kubeflow:` section of a config file; kfp need not be installed."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import Positive, Strict


class Accelerator(Strict):
    """GPUs of the Trainer and of the Tuner.

    Attributes:
      type: Type of the GPUs: on Kubernetes the name of the resource (`nvidia.com/gpu`), on Vertex
        AI the GPU model (`NVIDIA_TESLA_T4`).
      count: Number of GPUs for each step.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    count: Annotated[int, Field(ge=1)] = 1


class Resources(Strict):
    """Resources of the Trainer and the Tuner; the other steps use the defaults of the cluster.

    Attributes:
      cpu_request: Number of reserved CPU cores; null for the default of the cluster.
      cpu_limit: Maximum number of CPU cores; null for the default of the cluster.
      memory_request: Reserved memory in GiB; null for the default of the cluster.
      memory_limit: Maximum memory in GiB, above which the step is killed; null for the default of
        the cluster.
      gpu: Type and number of GPUs; null for no GPU.
    """

    cpu_request: Positive | None = None
    cpu_limit: Positive | None = None
    memory_request: Positive | None = None
    memory_limit: Positive | None = None
    gpu: Accelerator | None = None

    @model_validator(mode="after")
    def _requests_are_within_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = (getattr(self, f"{name}_{kind}") for kind in ("request", "limit"))
            if request and limit and request > limit:
                raise ValueError(f"{name}_request: {request:g} is above {name}_limit: {limit:g}")
        return self


class KubeflowConfig(Strict):
    """Settings for running the pipeline on Kubeflow Pipelines or Vertex AI.

    Attributes:
      image: Container image for all steps, built from this repository's Dockerfile, with its tag or
        digest.
      trainer: CPU, memory and GPUs of the Trainer and the Tuner.
      cache: Whether a step reuses the outputs of an earlier execution with the same inputs,
        parameters and image.
    """

    image: Annotated[str, Field(pattern=r"^\S+$")]
    trainer: Resources = Resources()
    cache: bool = True
