"""The `kubeflow:` section of a config file; this module can be used without kfp."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import Positive, Strict


class Accelerator(Strict):
    """GPUs for the Trainer and the Tuner.

    Attributes:
      type: Type of GPU: on Kubernetes, the name of the resource, such as `nvidia.com/gpu`; on
        Vertex AI, the GPU model, such as `NVIDIA_TESLA_T4`.
      count: Number of GPUs for each of the two steps.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    count: Annotated[int, Field(ge=1)] = 1


class Resources(Strict):
    """Resources for the Trainer and the Tuner; the other steps use the cluster's defaults.

    Attributes:
      cpu_request: Number of CPU cores to reserve; null for the cluster's default.
      cpu_limit: Maximum number of CPU cores; null for the cluster's default.
      memory_request: Memory to reserve, in GiB; null for the cluster's default.
      memory_limit: Maximum memory, in GiB; a step that exceeds this limit is killed. Null for the
        cluster's default.
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
      image: Container image for all steps, with its tag or digest. The image is built from this
        repository's Dockerfile.
      trainer: CPU cores, memory and GPUs for the Trainer and the Tuner.
      cache: Whether a step reuses the outputs of an earlier execution with the same inputs,
        parameters and image.
    """

    image: Annotated[str, Field(pattern=r"^\S+$")]
    trainer: Resources = Resources()
    cache: bool = True
