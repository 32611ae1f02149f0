"""The parts of a config file that say what the data are, and how they are looked at."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.sources.folder import FolderSource
from data.sources.manifest import ManifestSource
from data.sources.sample import SampleSource
from data.sources.spans import SPAN_PLACEHOLDER
from data.sources.split_names import SPLITS, SplitName
from data.sources.tfds import TfdsSource
from data.strict import Positive, Strict

__all__ = [
    "IGNORE",
    "SPAN_PLACEHOLDER",
    "SPLITS",
    "Augmentation",
    "CropView",
    "DataConfig",
    "FolderSource",
    "ManifestSource",
    "Positive",
    "ResizeView",
    "SampleSource",
    "SplitName",
    "Splits",
    "Strict",
    "TfdsSource",
    "View",
]

IGNORE = 255
"""Class id, in stored masks, of pixels that count nowhere."""


def _is_mask_value(found: object) -> object:
    if isinstance(found, str) and found.isdecimal():
        found = int(found)  # JSON knows no other keys than strings
    number = type(found) is int and 0 <= found <= 65535
    colour = isinstance(found, str) and re.fullmatch("#[0-9a-fA-F]{6}", found)
    if not number and not colour:
        raise ValueError(
            f"should be a number from 0 to 65535 or a colour like '#ff8000', found {found!r}"
        )
    return found


MaskValue = Annotated[int | str, BeforeValidator(_is_mask_value)]
"""A pixel's value in a mask file: a number from 0 to 65535, or a colour as in HTML: `#ff8000`."""


AnySource = FolderSource | ManifestSource | SampleSource | TfdsSource
"""All kinds of sources; adding one here is all that a new module in `data/sources` needs."""


class ResizeView(Strict):
    """What the network sees of an image: all of it, resized to one size in pixels."""

    kind: Literal["resize"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


class CropView(Strict):
    """What the network sees of an image: parts of it of one size in pixels, at its own resolution.

    It trains on random crops; an image smaller than the crop is padded, and the padding counts
    nowhere. `val`, the Evaluator and serving look at whole images.
    """

    kind: Literal["crop"]
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


View = Annotated[ResizeView | CropView, Field(discriminator="kind")]


class Augmentation(Strict):
    """What is done to training images at random, and where it moves pixels to their masks alike.

    All of it is off by default: turn on what leaves the meaning of your images as it is. What moves
    in from outside an image is black, and counts nowhere.

    Attributes:
      flip: Mirrors every second image left to right (`horizontal`), upside down (`vertical`), or
        each of them (`both`).
      rotation: Turns by up to so many degrees, either way.
      scale: Magnifies by a factor from 1 - scale to 1 + scale.
      translation: Moves by up to this share of the height and of the width, any way.
      brightness: Adds to all pixels up to this share of the full range, or takes it away.
      contrast: Multiplies the distance from the image's mean by 1 - contrast to 1 + contrast.
      saturation: Multiplies the saturation by 1 - saturation to 1 + saturation.
      hue: Turns the hue by up to this share of the colour circle, either way.
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
        """Whether it moves pixels, and does not only colour them."""
        return self.flip != "none" or self.rotation + self.scale + self.translation > 0


class Splits(Strict):
    """Shares of the splits, in whole numbers: groups are dealt out by hash in this proportion."""

    train: int = Field(7, ge=1)
    val: int = Field(1, ge=1)
    test: int = Field(2, ge=1)


class DataConfig(Strict):
    """What the data are.

    Attributes:
      source: Where the pairs of files come from.
      classes: Names of the classes; a class's place in the list is its id, from 0 to at most 254.
      mask_values: Pixel value in the mask files to class name; the values are either all numbers or
        all colours (`"#ff8000"`). Empty: the files hold the class ids themselves.
      ignore_value: Pixel value, or colour, that counts nowhere, unless `mask_values` gives it a
        class; null for none.
      intensity_range: Samples of 16 bits from the first of these to the second become 0..255; null
        for the upper 8 of the 16 bits.
      group: Regular expression searched in each pair's key. What it matches (its first group, if it
        has one) names the pair's group, and a group is never divided among splits. With a manifest,
        the name of a column will do. Null: each pair is its own group.
      splits: Shares of train, val and test.
      max_pixels: Larger images are refused before they are decoded.
      on_bad_pair: `fail`: one bad pair stops the run, and every bad pair is named. `skip`: bad
        pairs are left out, and listed.
      max_bad_fraction: With `skip`, the share of bad pairs from which on the run stops all the
        same.
      schema_file: What the pairs' statistics should look like, as a TFDV schema in text form: kept
        under version control, edited by hand, and inferred if it is not there yet. Null: a file in
        the workspace.
      on_anomaly: Whether statistics that the schema does not allow stop the run (`fail`) or are
        only shown (`warn`).
      view: What the network sees of an image.
    """

    source: Annotated[AnySource, Field(discriminator="kind")]
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

    @field_validator("intensity_range", mode="before")
    @classmethod
    def _is_a_range(cls, found: object) -> object:
        if found is None:
            return None
        if (
            not isinstance(found, list | tuple)
            or len(found) != 2
            or not all(type(part) is int for part in found)
            or not 0 <= found[0] < found[1] <= 65535
        ):
            raise ValueError(f"should be [lowest, highest] from 0 to 65535, found {found!r}")
        return tuple(found)

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
            raise ValueError("classes: a name stands twice")
        unknown = sorted(set(self.mask_values.values()) - set(self.classes))
        if unknown:
            raise ValueError(
                f"mask_values: {', '.join(unknown)} is not among the classes {self.classes}"
            )
        if len({type(value) for value in self.mask_values}) > 1:
            raise ValueError("mask_values: give all values as numbers, or all as colours")
        if isinstance(self.ignore_value, str) and not self.by_colour:
            raise ValueError("ignore_value: a colour, but mask_values has no colours")
        if (
            not self.mask_values
            and isinstance(self.ignore_value, int)
            and self.ignore_value < len(self.classes)
        ):
            name = self.classes[self.ignore_value]
            raise ValueError(f"ignore_value: {self.ignore_value} is the id of the class {name}")
        return self

    @property
    def by_colour(self) -> bool:
        """Whether the masks' colours count, and not the numbers in them."""
        return any(isinstance(value, str) for value in self.mask_values)

    @property
    def class_of_value(self) -> dict[int, int]:
        """Pixel value in a mask file to class id, the ignore value included.

        Where colours count, the values are 0xRRGGBB.
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
