"""The pixels of an image or mask file, independent of the file format."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from data.errors import PairError

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Palette = npt.NDArray[np.uint8]


class Raster(NamedTuple):
    """The pixels of an image or mask file, and their properties.

    Attributes:
      format: Format of the file: PNG, JPEG, BMP, GIF, TIFF or WebP.
      samples: Pixel values, uint8 or uint16 [height, width, channels]. The channels are grey; grey
        and alpha; RGB; RGB and one more (alpha, near infrared); or palette indices. Values of fewer
        than 8 bits are scaled so that white is 255; palette indices are not scaled.
      palette: RGB colour of each index, uint8 [n, 3]; None for a file without a palette.
      orientation: EXIF orientation of the file, 1..8; 1 means that no rotation is needed.
      lossy: Whether the compression of the file changes pixels.
      tensorflow_reads: Whether TensorFlow decodes the file to the same colours, except that it does
        not apply the EXIF orientation.
      inverted: Whether the samples were inverted, because 0 is white in the file.
      grey_png: Bytes of an 8-bit grey PNG of the samples, without the EXIF orientation applied, if
        they can be copied from the file without encoding the pixels again; otherwise None.
    """

    format: str
    samples: Samples
    palette: Palette | None
    orientation: int
    lossy: bool
    tensorflow_reads: bool
    inverted: bool = False
    grey_png: bytes | None = None

    @property
    def colours(self) -> Samples:
        """Grey levels or RGB values of the pixels, uint8 or uint16 [height, width, 1 or 3]."""
        if self.palette is not None:
            return self.palette[self.samples[..., 0]]
        return self.samples[..., : 3 if self.samples.shape[2] > 2 else 1]

    def upright(self) -> "Raster":
        """Returns the raster with the EXIF orientation (EXIF 2.32) applied to its samples."""
        samples = self.samples
        if self.orientation >= 5:
            samples = samples.swapaxes(0, 1)
        if self.orientation in (3, 4, 7, 8):
            samples = samples[::-1]
        if self.orientation in (2, 3, 6, 7):
            samples = samples[:, ::-1]
        return self._replace(samples=samples)


class RasterFile(NamedTuple):
    """An image or mask file to be read, with methods that create errors about the file.

    Attributes:
      content: Bytes of the file.
      name: Name of the file, for error messages.
      purpose: Whether the file is read as an image (`image`) or as a mask (`mask`).
      max_pixels: Maximum number of pixels; larger images are rejected before they are decoded.
    """

    content: bytes
    name: str
    purpose: Literal["image", "mask"]
    max_pixels: int

    def error(self, kind: str, reason: str) -> PairError:
        """Returns an error about this file; the arguments are those of `PairError`."""
        return PairError(kind, self.name, reason)

    def unsupported(self, fault: str) -> PairError:
        """Returns the error for an unsupported format, which `fault` describes."""
        return self.error(f"{self.purpose}_format", f"{fault}. Convert the {self.purpose}.")

    def not_one(self, count: int | str, parts: str) -> PairError:
        """Returns the error for a file of `count` (`several`) frames or pages, called `parts`."""
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
    """Adds a channel dimension to samples of shape [height, width]; other shapes are unchanged."""
    return samples[..., np.newaxis] if samples.ndim == 2 else samples


def full_palette(colours: bytes) -> Palette:
    """Returns a palette of exactly 256 colours; as in TensorFlow, missing colours are black.

    Args:
      colours: RGB colours from the file, 3 bytes each.
    """
    palette = np.zeros((256, 3), np.uint8)
    given = np.frombuffer(colours, np.uint8).reshape(-1, 3)[:256]
    palette[: len(given)] = given
    return palette
