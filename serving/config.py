"""The `serving:` part of a config file."""

from typing import Annotated, Literal

from pydantic import Field

from data.config import Positive, Strict

Precision = Literal["float32", "bfloat16", "float16"]
"""What a network computes in. Weights, softmax and logits are float32 always."""
MAX_PIXELS = 25_000_000
"""Of an image, if nothing else is said: what the cameras of phones and aeroplanes make."""


class CheckConfig(Strict):
    """What ServingCheck asks of a model before it is pushed.

    Attributes:
      images: How many images of `test` it is sent, the smallest and the largest among them.
      p50_ms: How many milliseconds one image may take in the middle; null for no limit.
      p95_ms: How many milliseconds one image may take in all but one of twenty cases; null for no
        limit.
      memory_mib: The most memory the process that serves may take, TensorFlow included, in MiB;
        null for no limit.
    """

    images: int = Field(8, ge=1, le=1000)
    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    memory_mib: Positive | None = None


class InfraValidatorConfig(Strict):
    """TFX's InfraValidator, beside ServingCheck: TF Serving itself loads the model and answers.

    Attributes:
      platform: Where its container is started: by this machine's `docker`, or on the `kubernetes`
        cluster that the pipeline runs on.
      image_tag: Of the image `tensorflow/serving`: no older than the TensorFlow that trains.
    """

    platform: Literal["docker", "kubernetes"]
    image_tag: str = "2.21.0"


class ServingConfig(Strict):
    """How models are served.

    Attributes:
      max_pixels: The model refuses larger images, before they are decoded.
      precision: What the model computes in, if not in what it was trained in: `float32` where it is
        trained on a GPU and served by CPUs without bfloat16. The evaluation is of this model too.
      push_to: Folder that TF Serving watches, local or on any file system that TensorFlow writes to
        (`gs://…`); null for `<workspace>/<name>/serving/<name>`.
      check: What a model must do before it is pushed.
      infra_validator: TF Serving as another judge, where there is Docker or Kubernetes; null for
        none.
    """

    max_pixels: int = Field(MAX_PIXELS, ge=1)
    precision: Precision | None = None
    push_to: Annotated[str, Field(min_length=1)] | None = None
    check: CheckConfig = CheckConfig()
    infra_validator: InfraValidatorConfig | None = None
