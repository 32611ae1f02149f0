"""The `serving` section of a config file."""

from typing import Annotated, Literal

from pydantic import Field

from data.config import Positive, Strict
from data.config.base import OutputPath

Precision = Literal["float32", "bfloat16", "float16"]
"""Compute dtype of a network. The weights, the logits and the softmax are always float32."""
Flips = Literal["none", "horizontal", "both"]
"""Flips over which predictions are averaged. `both` means all combinations of horizontal and
vertical."""
MAX_PIXELS = 25_000_000
"""Default maximum number of pixels in an image, enough for phone and aerial photographs.
"""


class CheckConfig(Strict):
    """Requirements that the ServingCheck component checks before a model is pushed.

    Attributes:
      images: Number of images from the `test` split to send to the model, including the smallest
        and the largest image.
      p50_ms: Maximum median latency of a single-image request, in milliseconds; null for no limit.
      p95_ms: Maximum 95th-percentile latency of a single-image request, in milliseconds; null for
        no limit.
      memory_mib: Maximum peak memory of the serving process, including TensorFlow, in MiB; null for
        no limit.
    """

    images: int = Field(8, ge=1, le=1000)
    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    memory_mib: Positive | None = None


class InfraValidatorConfig(Strict):
    """Settings for TFX's InfraValidator, which tests the model in TF Serving before it is pushed.

    Attributes:
      platform: Platform that runs the TF Serving container: `docker` on this machine, or
        `kubernetes` in the cluster where the pipeline runs.
      image_tag: Tag of the `tensorflow/serving` container image. Use a version that is at least as
        new as the TensorFlow version used for training.
    """

    platform: Literal["docker", "kubernetes"]
    image_tag: str = "2.21.0"


class ServingConfig(Strict):
    """The `serving` section of the config: settings for checking, pushing and serving models.

    Attributes:
      max_pixels: Maximum number of pixels in an image; the model rejects larger images before
        decoding them.
      precision: Compute dtype of the served model; null to use the same dtype as in training. Use
        `float32` for a model that is trained on a GPU but served on CPUs without bfloat16 support.
        The Evaluator evaluates the model in this dtype.
      flips: Flips of the image over which the model averages its probabilities: `none`,
        `horizontal`, which takes twice as long, or `both` horizontal and vertical, which takes four
        times as long. Choose only flips after which an image still looks plausible.
      confidence_map: Whether the model also returns the confidence of each pixel, as the output
        `confidence_png_bytes`: a PNG with 0 to 255 for 0 to 1. The page of the local server can
        then leave pixels of low confidence undecided.
      push_to: Folder to push models to, which TF Serving watches. The folder may be local or on any
        file system that TensorFlow can write to (`gs://…`); null for
        `<workspace>/<name>/serving/<name>`.
      check: Requirements that a model must meet before it is pushed.
      infra_validator: Settings for TFX's InfraValidator, which needs Docker or Kubernetes; null to
        skip this step.
    """

    max_pixels: int = Field(MAX_PIXELS, ge=1)
    precision: Precision | None = None
    flips: Flips = "none"
    confidence_map: bool = False
    push_to: Annotated[OutputPath, Field(min_length=1)] | None = None
    check: CheckConfig = CheckConfig()
    infra_validator: InfraValidatorConfig | None = None
