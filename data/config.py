"""The `data` section of the config: source, classes, splits, and size of the network's input."""

import re
from collections import Counter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config_base import Positive, Strict
from data.source_config import (
    SPLITS,
    AnySource,
    FolderSource,
    ManifestSource,
    SplitName,
    TfdsSource,
)

__all__ = [
    "IGNORE",
    "SPLITS",
    "AnySource",
    "Augmentation",
    "CropView",
    "DataConfig",
    "FolderSource",
    "ManifestSource",
    "Positive",
    "ResizeView",
    "SplitName",
    "Splits",
    "Strict",
    "TfdsSource",
    "View",
]

IGNORE = 255
"""Class id of ignored pixels in stored masks; neither loss nor metrics count ignored pixels."""


def _is_mask_value(value: object) -> object:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)  # keys of JSON objects are always strings
    is_number = type(value) is int and 0 <= value <= 65535
    is_colour = isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value)
    if not is_number and not is_colour:
        raise ValueError(
            f"should be a number from 0 to 65535 or a colour like '#ff8000', found {value!r}"
        )
    return value


MaskValue = Annotated[int | str, BeforeValidator(_is_mask_value)]
"""Value of a pixel in a mask file: a number from 0 to 65535, or an HTML colour (`#ff8000`)."""


class ResizeView(Strict):
    """The network gets whole images, resized to one size.

    Attributes:
      height: Height of the resized image in pixels.
      width: Width of the resized image in pixels.
    """

    kind: Literal["resize"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


class CropView(Strict):
    """The network gets crops of one size, at the original resolution of the image.

    Training uses random crops. An image smaller than a crop is padded, and the loss ignores the
    padding. Validation, the Evaluator and serving cover the whole image with windows of the crop's
    size.

    Attributes:
      height: Height of a crop in pixels.
      width: Width of a crop in pixels.
    """

    kind: Literal["crop"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


View = Annotated[ResizeView | CropView, Field(discriminator="kind")]
"""Any kind of view; `data.input_pipeline.views.VIEW_FUNCTIONS` has the functions of each kind."""


class Augmentation(Strict):
    """Random changes of training images. Changes that move pixels are applied to the masks, too.

    All changes are off by default. Switch on only changes that keep your images realistic and their
    masks correct.
    Pixels from outside the image are black in the image and ignored in the mask.

    Attributes:
      flip: Mirrors an image with probability 0.5: left to right (`horizontal`), upside down
        (`vertical`), or independently in both directions (`both`).
      rotation: Maximum angle of the rotation in degrees, in either direction.
      scale: Scales the image by a random factor from 1 - scale to 1 + scale.
      translation: Maximum vertical and horizontal shift, as a share of the view's height and width.
      brightness: Maximum value that is added to or subtracted from all pixels, as a share of 255.
      contrast: Multiplies the difference between each pixel and the image's mean by a random factor
        from 1 - contrast to 1 + contrast.
      saturation: Multiplies the saturation by a random factor from 1 - saturation to 1 +
        saturation.
      hue: Maximum shift of the hue in either direction, as a share of the colour circle.
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


class Splits(Strict):
    """Shares of the splits, as whole numbers such as 7, 1 and 2.

    A hash of the name of a group decides the split of the group.

    Attributes:
      train: Share of `train`, the split that the network is trained on.
      val: Share of `val`, the split for early stopping and model selection.
      test: Share of `test`, the split that only the Evaluator uses.
    """

    train: int = Field(7, ge=1)
    val: int = Field(1, ge=1)
    test: int = Field(2, ge=1)


class DataConfig(Strict):
    """The `data` section of the config: source, classes, splits, and size of the network's input.

    Attributes:
      source: Source of the pairs of image and mask files.
      classes: Names of the classes; the position in the list is the class id, from 0 to at most
        254.
      mask_values: Maps each pixel value in the mask files to a class name; the values are all
        numbers or all colours (`"#ff8000"`). If empty, the pixel values are class ids.
      ignore_value: Pixel value or colour of ignored pixels in the mask files, unless `mask_values`
        gives this value a class; null if no pixels are ignored.
      intensity_range: The two sample values of 16-bit images that become 0 and 255; null to use the
        upper 8 of the 16 bits.
      group: Regular expression to search for in each pair's key. The match (or its first capturing
        group) is the name of the pair's group, and a group is never divided among splits. With a
        manifest, `group` may instead be the name of a column. Null: the column `group` if a
        manifest has this column, else each pair is its own group.
      splits: Shares of train, val and test.
      max_pixels: Maximum number of pixels in an image; larger images are rejected before decoding.
      on_bad_pair: `fail`: one bad pair stops the run, and all bad pairs are listed. `skip`: bad
        pairs are left out and listed.
      max_bad_fraction: Maximum share of bad pairs with `on_bad_pair: skip`; a greater share stops
        the run.
      schema_file: Path of a TFDV schema in text form, which the statistics of the pairs must match.
        If the file does not exist, a schema is inferred from the data and written to this path;
        edit the file and keep it under version control. Null: a file in the workspace.
      on_anomaly: Whether statistics that violate the schema stop the run (`fail`) or are only
        reported (`warn`).
      view: Form in which the network gets an image: whole and resized, or as crops.
    """

    source: AnySource
    classes: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]] = Field(
        min_length=2, max_length=IGNORE
    )
    mask_values: dict[MaskValue, str] = Field(default={})
    ignore_value: MaskValue | None = IGNORE
    intensity_range: tuple[int, int] | None = None
    group: str | None = None
    splits: Splits = Splits()
    max_pixels: int = Field(100_000_000, ge=1)
    on_bad_pair: Literal["fail", "skip"] = "fail"
    max_bad_fraction: float = Field(0.05, ge=0, le=1)
    schema_file: str | None = None
    on_anomaly: Literal["warn", "fail"] = "warn"
    view: View = ResizeView(kind="resize")

    @field_validator("mask_values", mode="before")
    @classmethod
    def _has_distinct_values(cls, names: object) -> object:
        # YAML tells 0 from "0" and #FF8000 from #ff8000, which are the same value of a pixel.
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
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name occurs twice")
        unknown = sorted(set(self.mask_values.values()) - set(self.classes))
        if unknown:
            raise ValueError(
                f"mask_values: {', '.join(unknown)} is not among the classes {self.classes}"
            )
        if len({type(value) for value in self.mask_values}) > 1:
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
        """Whether the pixel values in `mask_values` are colours instead of numbers."""
        return any(isinstance(value, str) for value in self.mask_values)

    @property
    def class_of_value(self) -> dict[int, int]:
        """Class id of each pixel value in a mask file; the ignore value has the id 255.

        A colour is represented by the number 0xRRGGBB.
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
            }
        return ignored | {class_id: class_id for class_id in range(len(self.classes))}
