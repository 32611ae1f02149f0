"""Reads TIFF files with tifffile."""

import io
import logging
import math

import numpy as np
import tifffile
from PIL import Image

from data.rasters.raster import Palette, Raster, RasterFile, Samples, with_channels

_ORIENTATION = 274  # number of TIFF's Orientation tag
_JPEG = frozenset({6, 7, 33007, 34892})  # TIFF's numbers for JPEG compression
_MOST_DIRECTORIES = 10_000  # each page has a directory
_PHOTOMETRIC = tifffile.PHOTOMETRIC

# This module raises errors for faulty files, so log messages from tifffile about the same faults
# are suppressed.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_tiff(file: RasterFile) -> Raster:
    """Reads a TIFF file, which must contain a single page.

    Images that are marked as reduced copies or as transparency masks do not count as pages, nor do
    images in SubIFDs or the smaller levels of an image pyramid that tifffile detects.

    Args:
      file: The content of the file, its name and the pixel limit.

    Returns:
      The pixels as stored; the orientation tag is read, but not applied.

    Raises:
      PairError: The image has too many pixels, or the file has several pages or an unsupported
        format.
      Exception: The file is damaged.
    """
    content = io.BytesIO(file.content)
    # The metadata of OME-TIFF, MMStack and NDTiff files may refer to other files, which do not
    # belong to the pair, so tifffile must not interpret the metadata.
    with tifffile.TiffFile(content, is_ome=False, is_mmstack=False, is_ndtiff=False) as tiff:
        _refuse_endless(tiff, file)
        page = _only_page(tiff, file)
        file.refuse_too_large(page.tilelength, page.tilewidth)
        _refuse_holes(page, len(file.content))
        _refuse_unsupported(page, file)
        # A single thread is used, because several files are already read in parallel.
        samples = page.asarray(maxworkers=1)
        samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else with_channels(samples)
        samples, palette = _as_shown(samples, page)
        if samples.shape[:2] != (page.imagelength, page.imagewidth) or samples.ndim != 3:
            raise ValueError("the tags contradict each other")
        orientation = page.tags.valueof(_ORIENTATION, 1)
        return Raster(
            "TIFF",
            samples,
            palette,
            orientation if orientation in range(1, 9) else 1,
            lossy=page.compression in _JPEG,
            tensorflow_reads=False,
            inverted=page.photometric == _PHOTOMETRIC.MINISWHITE,
        )


def _refuse_endless(tiff: tifffile.TiffFile, file: RasterFile) -> None:
    """Refuses a file whose directories form a circle, or are too many to read."""
    offsets = set()
    for page in tiff.pages:
        if page.offset in offsets:
            raise ValueError("the directories form a circle")
        offsets.add(page.offset)
        if len(offsets) > _MOST_DIRECTORIES:
            raise file.not_one(f"more than {_MOST_DIRECTORIES}", "pages or planes")


def _only_page(tiff: tifffile.TiffFile, file: RasterFile) -> tifffile.TiffPage:
    full_size = [
        series
        for series in tiff.series
        if not (series.keyframe.is_reduced or series.keyframe.is_mask)
    ]
    full_size = full_size or tiff.series[:1]
    if not full_size:
        raise ValueError("there is no page")
    planes = 0
    for series in full_size:
        page = series.keyframe
        file.refuse_too_large(page.imagelength, page.imagewidth)
        plane = page.imagelength * page.imagewidth * page.samplesperpixel
        planes += math.prod(series.shape) // plane
    if planes != 1:
        raise file.not_one(planes, "pages or planes")
    return page


def _refuse_unsupported(page: tifffile.TiffPage, file: RasterFile) -> None:
    bits = page.bitspersample
    types = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
    if page.sampleformat != 1 or bits not in (1, 2, 4, 8, *range(9, 17)):
        name = types.get(page.sampleformat, "samples of an unknown type")
        raise file.unsupported(f"{name} of {bits} bits, expected unsigned integers of 8 or 16 bits")
    samples = page.samplesperpixel
    if samples > 4:
        raise file.unsupported(
            f"{samples} samples per pixel, expected 1 (grey) or 3 (RGB), plus at most one extra "
            "sample such as alpha, which is ignored"
        )
    # tifffile converts YCbCr colours to RGB, but only in JPEG-compressed pages.
    jpeg = page.compression in _JPEG
    readable: dict[int, bool] = {
        _PHOTOMETRIC.MINISWHITE: samples <= 2,
        _PHOTOMETRIC.MINISBLACK: True,
        _PHOTOMETRIC.RGB: samples >= 3,
        _PHOTOMETRIC.PALETTE: samples <= 2 and page.colormap is not None,
        _PHOTOMETRIC.SEPARATED: samples == 4 and bits == 8,
        _PHOTOMETRIC.YCBCR: samples == 3 and jpeg,
    }
    if not readable.get(page.photometric):
        name = getattr(page.photometric, "name", str(page.photometric))
        raise file.unsupported(
            f"{samples} samples per pixel in the colour space {name}, expected grey, RGB or a "
            "palette"
        )
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        name = getattr(page.compression, "name", str(page.compression))
        raise file.unsupported(f"the TIFF compression {name}, expected LZW, deflate or none")


def _refuse_holes(page: tifffile.TiffPage, size: int) -> None:
    """Raises a ValueError if strips or tiles are missing, as in a truncated file.

    Without this check, tifffile would return empty pixels for the missing parts.
    """
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(segments) != math.prod(page.chunked):
        raise ValueError("strips or tiles are missing")
    if any(not start or not length or start + length > size for start, length in segments):
        raise ValueError("a strip or a tile is missing")


def _as_shown(samples: Samples, page: tifffile.TiffPage) -> tuple[Samples, Palette | None]:
    """Returns grey or RGB samples as viewers show them, or palette indices with the palette."""
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    if page.photometric == _PHOTOMETRIC.PALETTE and page.colormap is not None:
        palette = (page.colormap.T >> 8).astype(np.uint8)
        if palette.shape != (2**page.bitspersample, 3):
            raise ValueError("the palette is incomplete")
        return samples, palette
    if page.photometric == _PHOTOMETRIC.SEPARATED:
        size = (samples.shape[1], samples.shape[0])
        return np.asarray(Image.frombytes("CMYK", size, samples.tobytes()).convert("RGB")), None
    white = 2**page.bitspersample - 1
    if page.photometric == _PHOTOMETRIC.MINISWHITE:
        samples = samples.dtype.type(white) - samples
    if white < 255:
        samples = samples * np.uint8(255 // white)
    return samples, None
