"""Config of the random changes to training images."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from data.config.base import Strict


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
