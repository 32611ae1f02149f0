"""The pixels of an image or mask file, independent of its format."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from data.errors import PairError

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Palette = npt.NDArray[np.uint8]


class Raster(NamedTuple):
    """The pixels of an image or mask file.

    Attributes:
      format: Format of the file: PNG, JPEG, BMP, GIF or TIFF.
      samples: uint8 or uint16 [height, width, 1 to 4]: grey, grey and alpha, RGB, or RGB and a
        fourth channel (alpha, near infrared); or indices into the palette. Samples of fewer than 8
        bits are scaled, so that white is 255; indices are not scaled.
      palette: uint8 [n, 3], RGB, with a colour for every index; None for a file without a palette.
      orientation: EXIF orientation of the file, 1..8; 1 means no rotation.
      lossy: Whether the file is compressed as JPEG.
      tensorflow_reads: Whether TensorFlow decodes the file to the same colours, apart from the
        rotation by the EXIF orientation.
      grey_png: The samples as the bytes of an 8-bit grey PNG, if these can be copied from the file
        without encoding, else None. The EXIF orientation is not applied.
    """

    format: str
    samples: Samples
    palette: Palette | None
    orientation: int
    lossy: bool
    tensorflow_reads: bool
    grey_png: bytes | None = None

    @property
    def colours(self) -> Samples:
        """Grey or RGB values of the pixels, uint8 or uint16 [height, width, 1 or 3]."""
        if self.palette is not None:
            return self.palette[self.samples[..., 0]]
        return self.samples[..., : 3 if self.samples.shape[2] > 2 else 1]

    def upright(self) -> "Raster":
        """Returns the raster with its samples rotated by the orientation tag (EXIF 2.32)."""
        samples = self.samples
        if self.orientation >= 5:
            samples = samples.swapaxes(0, 1)
        if self.orientation in (3, 4, 7, 8):
            samples = samples[::-1]
        if self.orientation in (2, 3, 6, 7):
            samples = samples[:, ::-1]
        return self._replace(samples=samples)


class RasterFile(NamedTuple):
    """An image or mask file to read, with methods that create errors about the file.

    Attributes:
      content: Bytes of the file.
      name: Name of the file, for messages.
      purpose: Whether the file is read as an `image` or as a `mask`.
      max_pixels: Maximum number of pixels; larger files are rejected before decoding.
    """

    content: bytes
    name: str
    purpose: Literal["image", "mask"]
    max_pixels: int

    def error(self, kind: str, reason: str) -> PairError:
        """Returns an error about this file; see `PairError` for the arguments."""
        return PairError(kind, self.name, reason)

    def unsupported(self, fault: str) -> PairError:
        """Returns the error for an unsupported format, described by `fault`."""
        return self.error(f"{self.purpose}_format", f"{fault}. Convert the {self.purpose}.")

    def not_one(self, count: int, parts: str) -> PairError:
        """Returns the error for a file with several pictures: `count` frames or pages (`parts`)."""
        return self.error(
            f"{self.purpose}_format",
            f"{count} {parts} in one file, expected one. Save each {self.purpose} in a file of its "
            "own.",
        )

    def refuse_too_large(self, height: int, width: int) -> None:
        """Raises a PairError if an image of this size has more than `max_pixels` pixels."""
        if height * width > self.max_pixels:
            raise self.error(
                "too_large",
                f"more than the {self.max_pixels} pixels that data.max_pixels allows. Scale the "
                f"{self.purpose} down, cut it into tiles, or raise data.max_pixels.",
            )


def with_channels(samples: Samples) -> Samples:
    """Adds a channel dimension to samples of shape [height, width]; keeps other shapes."""
    return samples[..., np.newaxis] if samples.ndim == 2 else samples


def full_palette(colours: bytes) -> Palette:
    """Returns a palette of 256 colours; missing colours are black, as in TensorFlow.

    Args:
      colours: The file's colours, 3 bytes (RGB) each.
    """
    palette = np.zeros((256, 3), np.uint8)
    given = np.frombuffer(colours, np.uint8).reshape(-1, 3)[:256]
    palette[: len(given)] = given
    return palette
