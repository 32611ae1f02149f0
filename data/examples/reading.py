"""Reads pairs of image and mask files, and reports why a pair cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.config import DataConfig
from data.errors import InputError, PairError
from data.examples.pair_statistics import pair_statistics
from data.examples.records import Record
from data.files.file_systems import REMOTE_THREADS
from data.files.paths import is_remote
from data.files.reading import read_bytes
from data.jobs.processes import ahead
from data.listing.pair import Pair
from data.rasters.images import LoadedImage, load_image
from data.rasters.masks import ValuesWithoutClass, load_mask


class ReadPair(NamedTuple):
    """The image and the mask of a pair, encoded for storage in a tf.Example.

    Attributes:
      record: Statistics of the pair, or the reason why the pair cannot be used.
      image: Bytes of the image file to store; empty if the pair cannot be used.
      mask: Bytes of the mask to store, a one-channel PNG with class ids; empty if the pair cannot
        be used.
    """

    record: Record
    image: bytes
    mask: bytes


def read_pair(pair: Pair, data: DataConfig) -> ReadPair:
    """Reads the image file and the mask file of a pair.

    Args:
      pair: The pair to read.
      data: The `data` section of the config.

    Returns:
      The encoded image and mask, with statistics; or the reason why the pair cannot be used: a file
      cannot be read, is too large or has an unsupported format; the mask has a pixel value without
      a class, or no labelled pixel; or image and mask differ in size.
    """
    values: tuple[int | str, ...] = ()
    try:
        image = load_image(read_bytes(pair.image), pair.image, data)
        mask = load_mask(read_bytes(pair.mask), pair.mask, data)
        values = mask.values
        _refuse_other_size(pair, image, mask.class_ids.shape, drawn=data.source.draws_masks)
        statistics = pair_statistics(image, mask, len(data.classes))
        if not statistics.labelled:
            raise PairError(
                "all_ignored",
                pair.image if data.source.draws_masks else pair.mask,
                "all pixels are ignored, so nothing can be learnt. Label or remove the mask.",
            )
    except InputError as error:
        if isinstance(error, ValuesWithoutClass):
            values = tuple(sorted(error.present, key=str))
        return ReadPair(Record(pair, None, _problem(error), values), b"", b"")
    return ReadPair(Record(pair, statistics, None, values), image.encoded, mask.encoded)


def _problem(error: InputError) -> PairError:
    if isinstance(error, PairError):
        return PairError(error.kind, error.file, error.reason)
    # The error message for a missing or inaccessible file starts with the path of the file and a
    # colon, so it is split there.
    file, _, reason = str(error).partition(": ")
    return PairError("unreadable", file, reason)


def read_pairs(pairs: Sequence[Pair], data: DataConfig) -> Iterator[ReadPair]:
    """Reads the image and mask files of pairs.

    Several threads read remote files in advance, because reading them mostly means waiting.

    Args:
      pairs: The pairs to read.
      data: The `data` section of the config.

    Yields:
      The result for each pair (see `read_pair`), in the order of the pairs. Only a few pairs are in
      memory at a time, since images may be large.
    """
    remote = any(is_remote(pair.image) or is_remote(pair.mask) for pair in pairs)
    return ahead(lambda pair: read_pair(pair, data), pairs, REMOTE_THREADS if remote else 0)


def _refuse_other_size(
    pair: Pair, image: LoadedImage, mask_shape: tuple[int, ...], *, drawn: bool
) -> None:
    height, width = image.pixels.shape[:2]
    if mask_shape == (height, width):
        return
    # A mask that was drawn from annotations is not a file of the user.
    file = pair.image if drawn else pair.mask
    if mask_shape == (width, height) and image.sides_swapped:
        reason = (
            "the mask has the size of the image before its EXIF rotation. Draw the mask on the "
            "rotated image, or remove the EXIF orientation."
        )
    elif drawn:
        reason = (
            f"the image has {width}×{height} pixels, but {mask_shape[1]}×{mask_shape[0]} by its "
            "annotations or masks. Export them for this image."
        )
    else:
        reason = (
            f"{mask_shape[1]}×{mask_shape[0]} pixels, but its image has {width}×{height}. Export "
            "the mask at the image's size."
        )
    raise PairError("size_mismatch", file, reason)
