"""Which image files are to be segmented, and what is written for each."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data.errors import InputError
from data.files import list_files
from data.sources.image_suffixes import IMAGE_SUFFIXES


class ImageFile(NamedTuple):
    """An image file, and the names of what is made of it.

    Attributes:
      path: The file.
      name: What its outputs' names begin with: a relative path without suffix.
    """

    path: Path
    name: str

    @property
    def mask(self) -> str:
        """Relative path of its mask."""
        return f"{self.name}_mask.png"

    @property
    def overlay(self) -> str:
        """Relative path of its overlay."""
        return f"{self.name}_overlay.png"


def find_images(patterns: Sequence[str], out: Path) -> list[ImageFile]:
    """Finds the images that a command line names, without opening one.

    Args:
      patterns: Files; folders, of which every image file below counts; globs, where `**` stands for
        any folders. What is below a folder, or below the part of a glob without wildcards, keeps
        its relative path.
      out: Where masks and overlays will go. What is there is no image to be segmented.

    Returns:
      The images, in the patterns' order, each once.

    Raises:
      InputError: A file or folder is not there, a pattern matches nothing, two images would be
        written to one file, or an image would be overwritten.
    """
    found: dict[str, ImageFile] = {}
    for pattern in patterns:
        for image in _matches(pattern, out):
            other = found.setdefault(image.name, image)
            if other.path.resolve() != image.path.resolve():
                raise InputError(
                    f"{image.path}: its mask would have the name of that of {other.path}. Predict "
                    "them into two folders, or name the folder that both are in."
                )
    images = {image.path.resolve() for image in found.values()}
    for image in found.values():
        for written in (out / image.mask, out / image.overlay):
            if written.resolve() in images:
                raise InputError(
                    f"{written}: would be overwritten. Choose another folder for --out."
                )
    return list(found.values())


def _matches(pattern: str, out: Path) -> Iterator[ImageFile]:
    if os.path.lexists(pattern):  # brackets in a name are no wildcards if there is such a file
        yield from _below(Path(pattern), Path(pattern), out)
        return
    if not glob.has_magic(pattern):
        raise InputError(f"{pattern}: no such file or folder.")
    fixed, wild = Path(pattern), Path()
    while glob.has_magic(str(fixed)):
        fixed, wild = fixed.parent, fixed.name / wild
    # Unlike Path.glob, it follows links and passes hidden files by.
    names = glob.glob(str(wild), root_dir=fixed, recursive=True)  # noqa: PTH207
    paths = [fixed / name for name in sorted(names)]
    if "**" in pattern:  # it matches folders besides the files in them
        paths = [path for path in paths if not path.is_dir()]
    if not paths:
        raise InputError(f"{pattern}: matches nothing.")
    for path in paths:
        if not _is_below(path, out) or _is_below(fixed, out):
            yield from _below(path, fixed, out)


def _below(path: Path, folder: Path, out: Path) -> Iterator[ImageFile]:
    """Yields a file, or the image files below a folder, named from `folder` on."""
    if not path.is_dir():
        name = path.relative_to(folder) if path != folder else Path(path.name)
        yield ImageFile(path, str(name.with_suffix("")))
        return
    if path.resolve() == out.resolve():
        raise InputError(f"{out}: holds the images. Choose another folder for --out.")
    images = [
        path / name
        for name in list_files(str(path))
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and not _is_below(path / name, out)
    ]
    if not images:
        raise InputError(
            f"{path}: no image file below it. Expected {' '.join(sorted(IMAGE_SUFFIXES))}"
        )
    for image in images:
        yield ImageFile(image, str(image.relative_to(folder).with_suffix("")))


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
