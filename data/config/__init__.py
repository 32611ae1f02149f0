"""The `data` section of the config: data source, classes, splits and network input size."""

import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.class_names import class_key, equal_keys, fault_of_name
from data.config.augmentation import AUGMENTATIONS, Augmentation, NamedAugmentation
from data.config.base import OutputPath, Positive, Strict
from data.config.mask_values import OTHER, MaskValue, MaskValues, classes_from_table
from data.config.sources import (
    SPLITS,
    AnySource,
    FolderSource,
    ManifestSource,
    SplitName,
    TfdsSource,
)
from data.errors import listed

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
        `_`: `iou/traffic_light` is the IoU of `traffic light`. If `mask_values` names a table, all
        classes of the table are used by default.
      mask_values: Class name for each pixel value in the mask files. The pixel values must be
        either all numbers or all colours (`"#ff8000"`). The key `other` stands for all values that
        are not listed, such as the ids of objects: `{0: background, other: cell}`. `from FILE`
        reads a table of an annotation tool, whose path is relative to the folder of the source:
        `labelmap.txt` (CVAT), `_classes.csv` (Roboflow), `obj_class_to_machine_color.json`
        (Supervisely), or a list of names (`classes.txt`). `from voc` stands for the colours of
        Pascal VOC. If no values are given, the pixel values are the class ids.
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
    classes: list[_ClassName] = Field(
        default=[], max_length=IGNORE, json_schema_extra={"minItems": 2}
    )
    mask_values: MaskValues = Field(default={})
    ignore_value: MaskValue | None = IGNORE
    intensity_range: tuple[int, int] | None = None
    group: str | None = None
    splits: Splits = Splits()
    take_val_from_train: float = Field(0, ge=0, le=0.5)
    take_test_from_train: float = Field(0, ge=0, le=0.5)
    max_pixels: int = Field(100_000_000, ge=1)
    on_bad_pair: Literal["fail", "skip"] = "fail"
    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    schema_file: OutputPath | None = None
    on_anomaly: Literal["warn", "fail"] = "warn"
    view: View = ResizeView(kind="resize")

    @model_validator(mode="before")
    @classmethod
    def _read_class_table(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("mask_values"), str):
            return content
        return content | classes_from_table(content)

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
        self.source.check_classes(self.classes)
        for split in ("val", "test"):
            key = f"take_{split}_from_train"
            if getattr(self, key) and self.source.place_of_split(split) is None:
                raise ValueError(
                    f"{key}: this source has no ready-made splits, so a hash of the group assigns "
                    "them. Remove this key; the shares are those of data.splits"
                )
        if self.source.draws_masks and (self.mask_values or self.ignore_value != IGNORE):
            raise ValueError(
                "mask_values, ignore_value: this source makes the masks, which have class ids and "
                "255 for ignored pixels. Remove these keys"
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
