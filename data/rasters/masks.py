"""Converts mask files to class ids, and rejects pixel values that have no class."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.config import IGNORE, DataConfig
from data.errors import PairError
from data.rasters.decoder import read_raster
from data.rasters.images import encode_png
from data.rasters.mask_advice import advice_on_values
from data.rasters.raster import Raster, RasterFile

_MOST_VALUES = 300  # maximum number of distinct pixel values to report; a correct mask has fewer
_FEW_VALUES = 8  # for at most this many values, one comparison each is faster than a histogram
_MOST_SHOWN = 8  # maximum number of pixel values listed in a message


class LoadedMask(NamedTuple):
    """A loaded mask: the class ids, and the PNG to store in the tf.Example.

    Attributes:
      class_ids: Class ids, uint8 [height, width], with the EXIF orientation applied: 0..C-1 for C
        classes, and 255 for ignored pixels.
      values: Distinct pixel values in the file, sorted, as numbers or colours (`#ff8000`); at most
        300 values.
      encoded: Bytes of a one-channel 8-bit PNG of the class ids, copied from the mask file if
        possible.
      pixels: Number of pixels with each class id, int64 [256].
      inverted: Whether the grey levels of the file were inverted, because 0 is white in it.
    """

    class_ids: npt.NDArray[np.uint8]
    values: tuple[int | str, ...]
    encoded: bytes
    pixels: npt.NDArray[np.int64]
    inverted: bool = False


class ValuesWithoutClass(PairError):  # noqa: N818
    """A mask contains pixel values that have no class.

    Attributes:
      present: Distinct pixel values in the file, as numbers or colours; at most 300.
      unknown: Distinct pixel values without a class; at most 300.
    """

    def __init__(
        self, file: str, reason: str, present: frozenset[int | str], unknown: frozenset[int | str]
    ) -> None:
        super().__init__("value_without_class", file, reason)
        self.present = present
        self.unknown = unknown

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.reason, self.present, self.unknown)


def load_mask(content: bytes, name: str, data: DataConfig) -> LoadedMask:
    """Loads a mask in any supported format.

    The value of a pixel is its grey level in a grey image, and its palette index in a palette
    image. An RGB image counts as grey if its three channels are equal; otherwise, or if
    `data.mask_values` contains colours, the value of a pixel is its colour. Grey levels are those
    that image viewers show: 0 and 255 in a 1-bit mask, and inverted levels in a TIFF file in which
    0 is white. A channel that is not read, such as alpha, must be constant.

    Args:
      content: Bytes of the mask file.
      name: Name of the file, for error messages.
      data: The `data` section of the config, which defines the class of each pixel value and limits
        the number of pixels.

    Returns:
      The class ids of the pixels, the distinct pixel values, and the number of pixels of each
      class.

    Raises:
      ValuesWithoutClass: A pixel value has no class.
      PairError: The file cannot be used; the error's `kind` is `unreadable`, `too_large`,
        `mask_format` or `jpeg_mask`.
    """
    file = RasterFile(content, name, "mask", data.max_pixels)
    raster = _read(file)
    numbers = None if data.by_colour else _numbers(raster)
    values = _packed_colours(raster, file) if numbers is None else numbers

    present, counts = _distinct(values)
    names = [_name(value, colour=numbers is None) for value in present]
    fits = data.by_colour == (numbers is None)
    class_of_value, other = (data.class_of_value, data.other_class) if fits else ({}, None)
    classes = [class_of_value.get(value, other) for value in present]
    ids = [class_id for class_id in classes if class_id is not None]
    if len(ids) < len(present):
        unknown = [i for i, class_id in enumerate(classes) if class_id is None]
        raise _no_class(name, names, unknown, data)
    class_ids = _replace(values, present, ids)
    pixels = np.zeros(IGNORE + 1, np.int64)
    np.add.at(pixels, ids, counts)

    kept = raster.orientation == 1 and numbers is not None and ids == present
    encoded = (raster.grey_png if kept else None) or encode_png(class_ids, flat=True)
    return LoadedMask(
        class_ids, tuple(names[:_MOST_VALUES]), encoded, pixels, inverted=raster.inverted
    )


def load_region(content: bytes, name: str, max_pixels: int) -> npt.NDArray[np.bool_]:
    """Loads a mask of a single class or object, in which 0 or black is the background.

    Args:
      content: Bytes of the mask file.
      name: Name of the file, for error messages.
      max_pixels: Maximum number of pixels.

    Returns:
      Whether each pixel belongs to the class or object, [height, width].

    Raises:
      PairError: The file cannot be used (see `load_mask`).
    """
    file = RasterFile(content, name, "mask", max_pixels)
    raster = _read(file)
    numbers = _numbers(raster)
    return (_packed_colours(raster, file) if numbers is None else numbers) != 0


def count_values(content: bytes, name: str, max_pixels: int) -> dict[int | str, int]:
    """Counts the pixel values of a mask whose classes are not known yet.

    Args:
      content: Bytes of the mask file.
      name: Name of the file, for error messages.
      max_pixels: Maximum number of pixels.

    Returns:
      Number of pixels with each value: numbers, or colours (`#ff8000`) if the mask is not grey.

    Raises:
      PairError: The file cannot be used (see `load_mask`).
    """
    file = RasterFile(content, name, "mask", max_pixels)
    raster = _read(file)
    numbers = _numbers(raster)
    values = _packed_colours(raster, file) if numbers is None else numbers
    present, counts = _distinct(values)
    named = (_name(value, colour=numbers is None) for value in present)
    return dict(zip(named, counts.tolist(), strict=True))


def _read(file: RasterFile) -> Raster:
    raster = read_raster(file)
    if raster.lossy:
        raise file.error(
            "jpeg_mask",
            f"a {'WebP' if raster.format == 'WebP' else 'JPEG'} mask, whose compression changes "
            "the values at edges. Export the mask as PNG.",
        )
    _refuse_unread_channel(raster, file)
    return raster


def _numbers(raster: Raster) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | None:
    """Returns each pixel's grey level or palette index, [height, width]; None for colour images."""
    samples = raster.samples
    if samples.shape[2] > 2:
        red, green, blue = (samples[..., i] for i in range(3))
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            return None
    return samples[..., 0]


def _refuse_unread_channel(raster: Raster, file: RasterFile) -> None:
    """Raises a PairError if a channel that is not read could contain the labels."""
    channels = raster.samples.shape[2]
    if channels % 2:
        return
    unread = raster.samples[..., -1]
    if unread.min() == unread.max():
        return
    if channels == 4:
        fault = "only the colours of the mask are read, but its fourth channel varies, too"
        advice = "remove the transparency"
    else:
        fault = "only the first of two channels is read, but the second varies, too"
        advice = "remove it if it is transparency, or save one channel of class ids"
    raise file.error(
        "mask_format",
        f"{fault}. If that channel holds the labels, save it as a grey mask; otherwise {advice}.",
    )


def _packed_colours(raster: Raster, file: RasterFile) -> npt.NDArray[np.uint32]:
    """Returns the colour of each pixel as a number 0xRRGGBB, uint32 [height, width]."""
    colours = raster.colours
    if colours.dtype != np.uint8:
        raise file.unsupported("colours of 16 bits per channel, expected 8 bits")
    red, green, blue = (colours[..., i].astype(np.uint32) for i in (0, colours.shape[2] // 2, -1))
    return red << np.uint32(16) | green << np.uint32(8) | blue


def _distinct(values: npt.NDArray[Any]) -> tuple[list[int], npt.NDArray[np.intp]]:
    """Returns the distinct pixel values, sorted, and the number of pixels with each value."""
    if values.dtype == np.uint8:
        values = np.ascontiguousarray(values)
        first, last = int(values.min()), int(values.max())
        if last - first < _FEW_VALUES:
            counts = np.array(
                [np.count_nonzero(values == value) for value in range(first, last + 1)]
            )
        else:
            # Pillow's histogram is faster than NumPy's.
            first, counts = 0, np.array(Image.fromarray(values).histogram())
        present = np.flatnonzero(counts)
        return (first + present).tolist(), counts[present]
    starts, lengths = _runs(values)
    distinct, places = np.unique(values.ravel()[starts], return_inverse=True)
    totals = np.zeros(distinct.size, np.intp)
    np.add.at(totals, places, lengths)
    return distinct.tolist(), totals


def _replace(
    values: npt.NDArray[Any], present: Sequence[int], ids: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Replaces each pixel value `present[i]` with the class id `ids[i]`."""
    if values.dtype == np.uint8:
        if list(ids) == list(present):
            return values
        table = np.zeros(256, np.uint8)
        table[present] = ids
        # `bytes.translate` is many times faster than NumPy indexing.
        replaced = values.tobytes().translate(table.tobytes())
        return np.frombuffer(replaced, np.uint8).reshape(values.shape)
    starts, lengths = _runs(values)
    places = np.searchsorted(np.array(present), values.ravel()[starts])
    return np.repeat(np.array(ids, np.uint8)[places], lengths).reshape(values.shape)


def _runs(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Returns the start index and the length of each run of equal pixels, in row-major order.

    A mask has few runs, so sorting one value per run is much faster than sorting all pixels.
    """
    flat = values.ravel()
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    return starts, np.diff(starts, append=flat.size)


def _name(value: int, *, colour: bool) -> int | str:
    return f"#{value:06x}" if colour else value


def _no_class(
    file: str, present: Sequence[int | str], unknown: Sequence[int], data: DataConfig
) -> ValuesWithoutClass:
    shown = [present[i] for i in unknown[:_MOST_VALUES]]
    others = [value for value in present[:_MOST_VALUES] if value not in set(shown)]
    some = frozenset((shown + others)[:_MOST_VALUES])
    noun = "colour" if isinstance(present[0], str) else "pixel value"
    # If there are many values without a class, the message omits them, because they differ from
    # file to file, and only files with the same message are reported together.
    if len(shown) > _MOST_SHOWN:
        reason = f"no class for more than {_MOST_SHOWN} of its {noun}s."
    else:
        plural = "s" if len(shown) > 1 else ""
        reason = f"no class for the {noun}{plural} {', '.join(map(str, shown))}."
    reason = f"{reason} {advice_on_values(some, data)}"
    return ValuesWithoutClass(file, reason, some, frozenset(shown))
