"""Finds pairs of image and mask files.

A pair is two files of one relative path and stem, never of one position in two sorted listings.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from data.blue_marble import write_blue_marble
from data.config import DataConfig, SampleSource
from data.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
_DESKTOP_LITTER = frozenset({"Thumbs.db", "desktop.ini"})
_MOST_NAMES = 3  # how many files one message names


class Pair(NamedTuple):
    """An image file and its mask file.

    Attributes:
      key: Relative path without suffix, with forward slashes: the pair's name.
      group: Pairs of one group fall into one split.
      image: Path of the image file.
      mask: Path of the mask file.
    """

    key: str
    group: str
    image: str
    mask: str


def find_pairs(config: DataConfig, sample_folder: str) -> list[Pair]:
    """Lists the pairs of a source, ordered by key.

    Args:
      config: The data's description.
      sample_folder: Where a `sample` source keeps its files; they are written there if they are not
        there yet.

    Returns:
      One Pair for each image.

    Raises:
      InputError: No such folder, no images, an image or a mask without its partner, two files of
        one stem, or a key that the group expression does not match.
    """
    if isinstance(config.source, SampleSource):
        root, images, masks = Path(sample_folder), "images", "masks"
        if not root.exists():
            write_blue_marble(root)
    else:
        root, images, masks = Path(config.source.path), config.source.images, config.source.masks
    image_files = _files_by_stem(root / images)
    mask_files = _files_by_stem(root / masks)

    problems = []
    if lonely := sorted(image_files.keys() - mask_files.keys()):
        files = [image_files[key] for key in lonely]
        problems.append(
            f"{_name(files)}: no mask of that name in {root / masks}. Add it or remove the image."
        )
    if lonely := sorted(mask_files.keys() - image_files.keys()):
        files = [mask_files[key] for key in lonely]
        problems.append(
            f"{_name(files)}: no image of that name in {root / images}. Add it or remove the mask."
        )
    if problems:
        raise InputError("\n".join(problems))
    return [
        Pair(key, _group_of(key, config.group), str(image_files[key]), str(mask_files[key]))
        for key in sorted(image_files)
    ]


def fingerprint(pairs: Iterable[Pair]) -> str:
    """Hash of the pairs' keys, groups and file contents, wherever they lie.

    Args:
      pairs: Pairs in a fixed order.

    Returns:
      SHA-256 in hexadecimal.
    """
    total = hashlib.sha256()
    for pair in pairs:
        total.update(f"{pair.key}\0{pair.group}\0".encode())
        for path in (pair.image, pair.mask):
            total.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return total.hexdigest()


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Check data.source in the config.")
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or path.name in _DESKTOP_LITTER or not path.is_file():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            expected = " ".join(sorted(IMAGE_SUFFIXES))
            raise InputError(
                f"{path}: no image by its suffix (expected {expected}). Move it elsewhere."
            )
        key = relative.with_suffix("").as_posix()
        if key in files:
            raise InputError(f"{files[key]} and {path}: two files of one name. Keep one of them.")
        files[key] = path
    if not files:
        expected = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
        raise InputError(f"{folder}: no images in it ({expected}, nested folders included).")
    return files


def _group_of(key: str, pattern: str | None) -> str:
    if pattern is None:
        return key
    match = re.search(pattern, key)
    if match is None:
        raise InputError(f"data.group: the expression {pattern!r} does not match the pair {key!r}.")
    return next((group for group in match.groups() if group is not None), match.group())


def _name(files: list[Path]) -> str:
    shown = ", ".join(str(file) for file in files[:_MOST_NAMES])
    return shown if len(files) <= _MOST_NAMES else f"{shown} and {len(files) - _MOST_NAMES} more"
