"""The `kubeflow:` part of a config file: what a cluster must be told. It imports no kfp."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config import Positive, Strict


class Accelerator(Strict):
    """The Trainer's GPUs.

    Attributes:
      type: What the cluster calls them: on Kubernetes the resource (`nvidia.com/gpu`), on Vertex AI
        the model (`NVIDIA_TESLA_T4`).
      count: How many.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    count: Annotated[int, Field(ge=1)] = 1


class Resources(Strict):
    """What the Trainer, and a search before it, need; the other steps take the cluster's defaults.

    Attributes:
      cpu_request: Cores that are set apart; null for the cluster's default.
      cpu_limit: Cores that it may use; null for the cluster's default.
      memory_request: GiB that are set apart; null for the cluster's default.
      memory_limit: GiB past which it is ended; null for the cluster's default.
      gpu: Its GPUs; null for none.
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
    """How the pipeline runs on Kubeflow Pipelines or Vertex AI.

    Attributes:
      image: The container image of every step, made by the Dockerfile, with its tag or digest.
      trainer: What the Trainer needs.
      cache: Whether a step whose inputs, parameters and image are those of an earlier run is left
        out.
    """

    image: Annotated[str, Field(pattern=r"^\S+$")]
    trainer: Resources = Resources()
    cache: bool = True
