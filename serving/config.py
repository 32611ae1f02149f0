"""The `serving` section of a config file."""

from typing import Annotated, Literal

from pydantic import Field

from data.config import Positive, Strict

Precision = Literal["float32", "bfloat16", "float16"]
"""Compute dtype of a network. Weights, logits and softmax are always float32."""
MAX_PIXELS = 25_000_000
"""Default maximum number of pixels in an image: enough for photographs by phones and aircraft."""


class CheckConfig(Strict):
    """Requirements that ServingCheck tests before a model is pushed.

    Attributes:
      images: Number of images of the split `test` to send, including the smallest and the largest.
      p50_ms: Maximum median latency of a request with one image, in milliseconds; null for no
        limit.
      p95_ms: Maximum 95th percentile of the latency of a request with one image, in milliseconds;
        null for no limit.
      memory_mib: Maximum memory of the serving process in MiB, TensorFlow included; null for no
        limit.
    """

    images: int = Field(8, ge=1, le=1000)
    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    memory_mib: Positive | None = None


class InfraValidatorConfig(Strict):
    """TFX's InfraValidator, which tests the model in TF Serving, in addition to ServingCheck.

    Attributes:
      platform: Platform on which the container of TF Serving runs: `docker` for this machine, or
        `kubernetes` for the cluster that the pipeline runs on.
      image_tag: Tag of the container image `tensorflow/serving`, a version not older than the
        TensorFlow that trains the model.
    """

    platform: Literal["docker", "kubernetes"]
    image_tag: str = "2.21.0"


class ServingConfig(Strict):
    """The `serving` section of the config: how models are checked, pushed and served.

    Attributes:
      max_pixels: Maximum number of pixels in an image; the model rejects larger images before
        decoding.
      precision: Compute dtype of the served model; null for the dtype of training. Use `float32`
        for a model that is trained on a GPU and served by CPUs without bfloat16. The Evaluator
        evaluates the model with this dtype.
      push_to: Folder that TF Serving watches, local or on any file system that TensorFlow can write
        to (`gs://…`); null for `<workspace>/<name>/serving/<name>`.
      check: Requirements that a model must meet before it is pushed.
      infra_validator: TFX's InfraValidator, which needs Docker or Kubernetes; null to skip this
        step.
    """

    max_pixels: int = Field(MAX_PIXELS, ge=1)
    precision: Precision | None = None
    push_to: Annotated[str, Field(min_length=1)] | None = None
    check: CheckConfig = CheckConfig()
    infra_validator: InfraValidatorConfig | None = None
