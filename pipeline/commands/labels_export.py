"""Exports masks that may be wrong, with the proposed masks, for an annotation tool."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from components.labels.pairs import FindDoubts, class_ids_of, read_unchanged
from components.labels.ranking import WrongMask
from components.labels.scores import Mask, proposed_mask
from data.config import DataConfig
from data.errors import InputError
from data.listing.pair import Pair


def export_masks(
    folder: Path,
    masks: Iterable[WrongMask],
    pairs: Mapping[str, Pair],
    data: DataConfig,
    find_doubts: FindDoubts,
) -> None:
    """Writes image, mask and proposed mask of each pair side by side into an empty folder.

    The files of the pair `a/b` are `a/b_image.png` (or `.jpg`), `a/b_mask.png` and
    `a/b_proposed.png`. The masks have the pixel values of the config's mask files, so that a
    proposed mask can replace the mask file.

    Args:
      folder: The folder.
      masks: The masks. Those that have changed since they were scored are left out.
      pairs: The pairs of the masks, by key.
      data: The `data` section of the config.
      find_doubts: Function that compares a mask with a model.

    Raises:
      InputError: The name of a pair leads out of the folder.
    """
    for mask, _ in masks:
        read = read_unchanged(mask, pairs.get(mask.key), data)
        if read is None:
            continue
        target = folder / mask.key
        if not target.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{mask.key}: a pair of this name cannot be exported.")
        target.parent.mkdir(parents=True, exist_ok=True)
        class_ids = class_ids_of(read.mask)
        suffix = "png" if read.image.startswith(b"\x89PNG") else "jpg"
        _beside(target, f"image.{suffix}").write_bytes(read.image)
        mask_picture(class_ids, data).save(_beside(target, "mask.png"))
        proposed = proposed_mask(find_doubts(read), class_ids)
        mask_picture(proposed, data).save(_beside(target, "proposed.png"))


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(f"{target.name}_{ending}")


def mask_picture(class_ids: Mask, data: DataConfig) -> Image.Image:
    """Returns a mask with the pixel values that the config expects in mask files.

    Args:
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.
      data: The `data` section of the config. If it gives a class several values, the first is used;
        a class that has only the value `other` gets the smallest number that no class has.

    Returns:
      A grey image, or an RGB image if the config gives the classes colours.
    """
    values = np.zeros(256, np.uint32)
    if data.other_class is not None:
        unused = (value for value in itertools.count() if value not in data.class_of_value)
        values[data.other_class] = next(unused)
    for value, class_id in reversed(data.class_of_value.items()):
        values[class_id] = value
    pixels = values[class_ids]
    if data.by_colour:
        channels = [pixels >> shift & 255 for shift in (16, 8, 0)]
        return Image.fromarray(np.stack(channels, -1).astype(np.uint8))
    return Image.fromarray(pixels.astype(np.uint8 if values.max() < 256 else np.uint16))
