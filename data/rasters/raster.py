"""What an image or mask file holds, whatever its format."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from data.errors import PairError

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Palette = npt.NDArray[np.uint8]


class Raster(NamedTuple):
    """The pixels of a file as it holds them, but upright.

    Attributes:
      format: PNG, JPEG, BMP, GIF or TIFF.
      samples: uint8 or uint16 [height, width, 1 to 4]: grey, grey and one more (alpha), RGB, or RGB
        and one more (alpha, near infrared); or places in the palette. Samples of fewer than 8 bits
        are widened, so that white is 255.
      palette: uint8 [n, 3], RGB, with an entry for every place; None where there is none.
      orientation: The EXIF orientation that was undone, 1..8; 1 is upright.
      lossy: Compressed as JPEG.
      tensorflow_reads: TensorFlow decodes the file to the same colours, orientation apart.
      grey_png: The samples, before they were turned, as a grey PNG of 8 bits, if that is to be had
        without encoding them anew.
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
        """Grey [height, width, 1] or RGB [height, width, 3], of the samples' type."""
        if self.palette is not None:
            return self.palette[self.samples[..., 0]]
        return self.samples[..., : 3 if self.samples.shape[2] > 2 else 1]

    def upright(self) -> "Raster":
        """Undoes the EXIF orientation (EXIF 2.32, tag Orientation)."""
        samples = self.samples
        if self.orientation >= 5:
            samples = samples.swapaxes(0, 1)
        if self.orientation in (3, 4, 7, 8):
            samples = samples[::-1]
        if self.orientation in (2, 3, 6, 7):
            samples = samples[:, ::-1]
        return self._replace(samples=samples)


class RasterFile(NamedTuple):
    """A file that is to be read, and the errors of its faults.

    Attributes:
      content: Its bytes.
      name: Its name, for messages.
      purpose: What it is read as; says which kind of error an unsupported format is.
      max_pixels: A larger one is refused before it is decoded.
    """

    content: bytes
    name: str
    purpose: Literal["image", "mask"]
    max_pixels: int

    def error(self, kind: str, reason: str) -> PairError:
        """Returns the error of a fault of this file."""
        return PairError(kind, self.name, reason)

    def unsupported(self, fault: str) -> PairError:
        """Returns the error of a format that is not read: `32 bits, expected 8`."""
        return self.error(f"{self.purpose}_format", f"{fault}. Convert the {self.purpose}.")

    def not_one(self, count: int, of_what: str) -> PairError:
        """Returns the error of a file that holds several pictures: 3 `frames`."""
        return self.error(
            f"{self.purpose}_format",
            f"{count} {of_what} in one file, expected one. Save each {self.purpose} in a file of "
            "its own.",
        )

    def refuse_too_large(self, height: int, width: int) -> None:
        """Raises an error if there are too many pixels."""
        if height * width > self.max_pixels:
            raise self.error(
                "too_large",
                f"more than the {self.max_pixels} pixels that data.max_pixels allows. Scale it "
                "down, cut it up, or raise data.max_pixels.",
            )


def with_channels(samples: Samples) -> Samples:
    """Adds the last dimension where it is left out."""
    return samples[..., np.newaxis] if samples.ndim == 2 else samples
