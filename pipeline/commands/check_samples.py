"""Draws a few pairs of each split for the page of `unetfx check`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.config import IGNORE, SPLITS, DataConfig
from data.errors import InputError
from data.files.reading import read_bytes
from data.listing.pair import Pair
from data.rasters.images import load_image
from data.rasters.masks import load_mask
from serving.data_url import class_ids_url, picture_url
from serving.overlay import layer

_SIDE = 240  # longer side of a picture in pixels
_MOST_READ, _MOST_SHOWN = 12, 4  # pairs of a split


class Sample(NamedTuple):
    """A pair with its mask over the image.

    Attributes:
      key: Key of the pair.
      width, height: Size of the pictures in pixels.
      image, mask, ids: `data:` URLs of the image, of the mask in the colours of its classes, and of
        its class ids.
      present: Ids of the classes in the mask, the largest first.
    """

    key: str
    width: int
    height: int
    image: str
    mask: str
    ids: str
    present: Sequence[int]


def draw_samples(pairs: Iterable[Pair], data: DataConfig) -> Mapping[str, Sequence[Sample]]:
    """Draws the pairs of each split whose masks have the most classes.

    Args:
      pairs: The pairs, in an order that depends on no content. The first twelve of each split are
        read, and pairs that cannot be used are left out.
      data: The `data` section of the config.

    Returns:
      At most four pairs of each split, by the name of the split.
    """
    read: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for pair in pairs:
        if len(read[pair.split]) < _MOST_READ:
            read[pair.split].append(pair)
        if all(len(chosen) == _MOST_READ for chosen in read.values()):
            break
    return {
        split: sorted(
            (sample for pair in chosen if (sample := _draw(pair, data))),
            key=lambda sample: -len(sample.present),
        )[:_MOST_SHOWN]
        for split, chosen in read.items()
    }


def _draw(pair: Pair, data: DataConfig) -> Sample | None:
    try:
        pixels = load_image(read_bytes(pair.image), pair.image, data).pixels
        class_ids = load_mask(read_bytes(pair.mask), pair.mask, data).class_ids
    except InputError:
        return None
    if pixels.shape[:2] != class_ids.shape:
        return None
    factor = _SIDE / max(class_ids.shape)
    width, height = (max(round(factor * side), 1) for side in reversed(class_ids.shape))
    photo = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
    small = Image.fromarray(class_ids).resize((width, height), Image.Resampling.NEAREST)
    counts = np.bincount(class_ids.ravel(), minlength=IGNORE + 1)[:IGNORE]
    present = [class_id for class_id in np.argsort(-counts).tolist() if counts[class_id]]
    mask = np.asarray(small)
    urls = (picture_url(photo, "JPEG"), picture_url(layer(mask)), class_ids_url(mask))
    return Sample(pair.key, width, height, *urls, present)
