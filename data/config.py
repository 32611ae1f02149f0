"""The `data` section of the config: data source, classes, splits and network input size."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.class_names import class_key, equal_keys, fault_of_name
from data.config_base import Positive, Strict
from data.errors import listed
from data.source_config import (
    SPLITS,
    AnySource,
    FolderSource,
    ManifestSource,
    SplitName,
    TfdsSource,
)

__all__ = [
    "AUGMENTATIONS",
    "IGNORE",
    "OTHER",
    "SPLITS",
    "AnySource",
    "Augmentation",
    "CropView",
    "DataConfig",
    "FolderSource",
    "ManifestSource",
    "NamedAugmentation",
    "Positive",
    "ResizeView",
    "SplitName",
    "Splits",
    "Strict",
    "TfdsSource",
    "View",
]

IGNORE = 255
"""Class id of ignored pixels in stored masks. The loss and the metrics leave out ignored pixels."""


OTHER = "other"
"""Key of `mask_values` for all pixel values that have no key of their own."""


def _is_mask_value(value: object) -> object:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)  # JSON turns numeric keys into strings
    is_number = type(value) is int and 0 <= value <= 65535
    is_colour = isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value)
    if not is_number and not is_colour:
        raise ValueError(
            f"should be a number from 0 to 65535 or a colour like '#ff8000', found {value!r}"
        )
    return value


def _is_mask_value_or_other(value: object) -> object:
    return value if value == OTHER else _is_mask_value(value)


MaskValue = Annotated[int | str, BeforeValidator(_is_mask_value)]
"""A pixel value in a mask file: a number from 0 to 65535, or an HTML colour (`#ff8000`)."""
MaskValueOrOther = Annotated[int | str, BeforeValidator(_is_mask_value_or_other)]
"""A pixel value in a mask file, or `other`."""


class ResizeView(Strict):
    """The network's input is the whole image, resized to a fixed size.

    Attributes:
      height: Height of the resized image in pixels.
      width: Width of the resized image in pixels.
    """

    kind: Literal["resize"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


class CropView(Strict):
    """The network's input is a crop of fixed size, at the original resolution of the image.

    Training uses random crops. An image smaller than a crop is padded, and the loss ignores the
    padding. Validation, the Evaluator and serving cover the whole image with windows of the crop
    size.

    Attributes:
      height: Height of the crop in pixels.
      width: Width of the crop in pixels.
    """

    kind: Literal["crop"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


View = Annotated[ResizeView | CropView, Field(discriminator="kind")]
"""Config of a view. `data.input_pipeline.views.VIEW_FUNCTIONS` maps each kind to its functions."""


class Augmentation(Strict):
    """Random changes to training images. Changes that move pixels are also applied to the masks.

    All changes are off by default. Switch on only changes that keep your images realistic and their
    masks correct. Pixels that the image no longer covers after a move are black in the image and
    ignored in the mask.

    Attributes:
      flip: Mirrors the image with probability 0.5: left to right (`horizontal`), upside down
        (`vertical`), or independently in both directions (`both`).
      rotation: Maximum rotation angle in degrees, in either direction.
      scale: Scales the image by a random factor from 1 - scale to 1 + scale.
      translation: Maximum vertical and horizontal shift, as a share of the height and the width of
        the view.
      brightness: Maximum change in brightness in either direction, as a share of 255. The same
        value is added to all pixels of an image.
      contrast: Multiplies the difference between each pixel and the mean of its colour channel by a
        random factor from 1 - contrast to 1 + contrast.
      saturation: Multiplies the saturation by a random factor from 1 - saturation to 1 +
        saturation.
      hue: Maximum shift in hue in either direction, as a share of the colour circle.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: float = Field(0, ge=0, le=180)
    scale: float = Field(0, ge=0, le=0.5)
    translation: float = Field(0, ge=0, le=0.5)
    brightness: float = Field(0, ge=0, le=1)
    contrast: float = Field(0, ge=0, le=1)
    saturation: float = Field(0, ge=0, le=1)
    hue: float = Field(0, ge=0, le=0.5)

    @property
    def moves(self) -> bool:
        """Whether the augmentation flips, rotates, scales or shifts images."""
        return self.flip != "none" or self.rotation + self.scale + self.translation > 0


AUGMENTATIONS = {
    "none": Augmentation(),
    "light": Augmentation(flip="horizontal", scale=0.1, brightness=0.1, contrast=0.1),
    "strong": Augmentation(
        flip="horizontal",
        rotation=15,
        scale=0.25,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=0.02,
    ),
}
"""Augmentations that can be chosen by name."""


def _named_augmentation(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in AUGMENTATIONS:
        raise ValueError(
            f"should be {', '.join(AUGMENTATIONS)}, or changes such as {{flip: horizontal}}, found "
            f"{value!r}"
        )
    return AUGMENTATIONS[value]


if TYPE_CHECKING:  # type checkers reject a Literal whose values are computed
    _AugmentationName: TypeAlias = str
else:
    _AugmentationName = Literal[tuple(AUGMENTATIONS)]
NamedAugmentation = Annotated[
    Augmentation,
    BeforeValidator(_named_augmentation, json_schema_input_type=_AugmentationName | Augmentation),
]
"""An augmentation, or the name of one in `AUGMENTATIONS`."""


class Splits(Strict):
    """Relative sizes of the splits, as whole numbers: 7, 1 and 2 mean 70 %, 10 % and 20 %.

    Each group of pairs is assigned to a split by a hash of the group's name, so the sizes are
    approximate.

    Attributes:
      train: Relative size of `train`, the split on which the network is trained.
      val: Relative size of `val`, the split for early stopping and model selection.
      test: Relative size of `test`, the split that only the Evaluator uses.
    """

    train: int = Field(7, ge=1)
    val: int = Field(1, ge=1)
    test: int = Field(2, ge=1)


def _is_class_name(name: object) -> object:
    if isinstance(name, str) and (fault := fault_of_name(name)):
        raise ValueError(fault)
    return name


_ClassName = Annotated[
    str,
    BeforeValidator(_is_class_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": 100}),
]


class DataConfig(Strict):
    """The `data` section of the config: data source, classes, splits and network input size.

    Attributes:
      source: Source of the pairs of image and mask files.
      classes: Names of the classes. The position of a name in the list, counted from 0, is the
        class id; the highest possible id is 254. Names may have spaces and any letters. In the
        names of features and metrics, every other character than a letter, a digit and `_ . -` is
        `_`: `iou/traffic_light` is the IoU of `traffic light`.
      mask_values: Class name for each pixel value in the mask files. The pixel values must be
        either all numbers or all colours (`"#ff8000"`). The key `other` stands for all values that
        are not listed, such as the ids of objects: `{0: background, other: cell}`. If no values are
        given, the pixel values are the class ids.
      ignore_value: Pixel value or colour that marks ignored pixels in the mask files; null if no
        pixels are ignored. A class that `mask_values` gives to the same value takes precedence. A
        number has no effect if `mask_values` contains colours.
      intensity_range: The two sample values of 16-bit images that are mapped to 0 and 255; null to
        use the upper 8 of the 16 bits.
      group: Regular expression to search for in the key of each pair. The match (or its first
        capturing group) is the name of the pair's group. A group is never divided among splits
        unless the source itself assigns the splits. With a manifest, `group` may instead be the
        name of a column. If null, pairs are grouped by the manifest's column `group`; without such
        a column, each pair is a group of its own.
      splits: Relative sizes of `train`, `val` and `test`, for pairs to which the source does not
        assign a split.
      take_val_from_train: Share of the groups that the source assigns to `train`, which are moved
        to `val`. For ready-made splits without `val`.
      take_test_from_train: Share of the groups that the source assigns to `train`, which are moved
        to `test`. For ready-made splits without `test`.
      max_pixels: Maximum number of pixels in an image; larger images are rejected before decoding.
      on_bad_pair: Whether a bad pair stops the run (`fail`) or is left out of the data (`skip`).
        Bad pairs are reported in both cases.
      max_bad_fraction: Maximum share of bad pairs with `on_bad_pair: skip`; a larger share stops
        the run.
      schema_file: Path of a TensorFlow Data Validation (TFDV) schema in text format, against which
        the statistics of the pairs are checked. If the file does not exist, a schema is inferred
        from the data and written to this path; edit the file and keep it under version control. If
        null, the file is `schema.pbtxt` in the pipeline's folder in the workspace.
      on_anomaly: Whether a violation of the schema stops the run (`fail`) or is only reported
        (`warn`).
      view: How an image becomes the network's input: resized as a whole (`resize`) or as crops
        (`crop`).
    """

    source: AnySource
    classes: list[_ClassName] = Field(max_length=IGNORE, json_schema_extra={"minItems": 2})
    mask_values: dict[MaskValueOrOther, str] = Field(default={})
    ignore_value: MaskValue | None = IGNORE
    intensity_range: tuple[int, int] | None = None
    group: str | None = None
    splits: Splits = Splits()
    take_val_from_train: float = Field(0, ge=0, le=0.5)
    take_test_from_train: float = Field(0, ge=0, le=0.5)
    max_pixels: int = Field(100_000_000, ge=1)
    on_bad_pair: Literal["fail", "skip"] = "fail"
    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    schema_file: str | None = None
    on_anomaly: Literal["warn", "fail"] = "warn"
    view: View = ResizeView(kind="resize")

    @field_validator("mask_values", mode="before")
    @classmethod
    def _has_distinct_values(cls, names: object) -> object:
        # YAML treats 0 and "0" as different keys, and also "#FF8000" and "#ff8000". The keys in
        # each of these pairs mean the same pixel value, so they are counted as one value here.
        if isinstance(names, dict):
            for value, number in Counter(str(value).lower() for value in names).items():
                if number > 1:
                    raise ValueError(f"the value {value} is given {number} times. Keep one")
        return names

    @field_validator("intensity_range", mode="before")
    @classmethod
    def _is_a_range(cls, bounds: object) -> object:
        if bounds is None:
            return None
        if (
            not isinstance(bounds, list | tuple)
            or len(bounds) != 2
            or not all(type(bound) is int for bound in bounds)
            or not 0 <= bounds[0] < bounds[1] <= 65535
        ):
            raise ValueError(f"should be [lowest, highest] from 0 to 65535, found {bounds!r}")
        return tuple(bounds)

    @field_validator("group")
    @classmethod
    def _is_a_regular_expression(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return group

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if len(self.classes) < 2:
            raise ValueError(
                f"classes: there should be at least two, found {self.classes}. List the background "
                "as a class, too"
            )
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name occurs twice")
        if equal := equal_keys(self.classes):
            raise ValueError(
                f"classes: {equal[0]!r} and {equal[1]!r} are both {class_key(equal[0])} in the "
                "names of features and metrics. Rename one"
            )
        unknown = sorted(set(self.mask_values.values()) - set(self.classes))
        if unknown:
            raise ValueError(
                f"mask_values: {listed(unknown)} is not among the classes: {listed(self.classes)}"
            )
        if len({type(value) for value in self.mask_values if value != OTHER}) > 1:
            raise ValueError("mask_values: give all values as numbers, or all as colours")
        if isinstance(self.ignore_value, str) and not self.by_colour:
            raise ValueError("ignore_value: is a colour, so mask_values needs colours, too")
        if (
            not self.mask_values
            and isinstance(self.ignore_value, int)
            and self.ignore_value < len(self.classes)
        ):
            name = self.classes[self.ignore_value]
            raise ValueError(
                f"ignore_value: {self.ignore_value} is the id of the class {name}. Choose a value "
                "that no class has"
            )
        return self

    @property
    def by_colour(self) -> bool:
        """Whether the pixel values in `mask_values` are colours rather than numbers."""
        return any(isinstance(value, str) for value in self.mask_values if value != OTHER)

    @property
    def other_class(self) -> int | None:
        """Class id of the pixel values that `class_of_value` lacks; None if they have no class."""
        name = self.mask_values.get(OTHER)
        return None if name is None else self.classes.index(name)

    @property
    def class_of_value(self) -> dict[int, int]:
        """Maps each pixel value in the mask files to its class id, and `ignore_value` to 255.

        A colour is represented by a number: `#ff8000` is 0xff8000.
        """
        ignored: dict[int, int] = {}
        if isinstance(self.ignore_value, str):
            ignored = {int(self.ignore_value[1:], 16): IGNORE}
        elif self.ignore_value is not None and not self.by_colour:
            ignored = {self.ignore_value: IGNORE}
        if self.mask_values:
            return ignored | {
                value if isinstance(value, int) else int(value[1:], 16): self.classes.index(name)
                for value, name in self.mask_values.items()
                if value != OTHER
            }
        return ignored | {class_id: class_id for class_id in range(len(self.classes))}
