"""Finds the image files to segment, and determines the names of each image's output files."""

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data.errors import InputError
from data.files.finding import find_files, is_file, is_folder, list_files
from data.files.paths import is_remote, join
from data.sources.image_suffixes import IMAGE_SUFFIXES

_NO_IMAGES = f"contains no image files. Expected {' '.join(sorted(IMAGE_SUFFIXES))}"


class ImageFile(NamedTuple):
    """An image file and the names of its output files.

    Attributes:
      path: Path of the image file, local or remote.
      name: Relative path of the image without the file suffix. The names of the output files begin
        with this path.
    """

    path: str
    name: str

    @property
    def mask(self) -> str:
        """Path of the mask file, relative to the output folder."""
        return f"{self.name}_mask.png"

    @property
    def overlay(self) -> str:
        """Path of the overlay file, relative to the output folder."""
        return f"{self.name}_overlay.png"


def find_images(patterns: Sequence[str], out: Path) -> list[ImageFile]:
    """Finds the image files specified on a command line, without opening them.

    Args:
      patterns: File paths, folder paths and glob patterns. Folders are searched at any depth, and
        `**` in a local pattern matches folders at any depth. Each output file keeps the image's
        path relative to the folder, or relative to the leading part of the pattern that contains no
        wildcards.
      out: Folder for masks and overlays. Images in this folder are skipped unless a file path or
        the leading part of a pattern points into the folder.

    Returns:
      The image files in the order of `patterns`, without duplicates.

    Raises:
      InputError: A file or folder does not exist, a pattern matches nothing, a folder contains no
        image files, two images would have the same output file, or an image would be overwritten.
    """
    images: dict[str, ImageFile] = {}
    for pattern in patterns:
        matches = _remote_matches(pattern) if is_remote(pattern) else _matches(pattern, out)
        for image in matches:
            other = images.setdefault(image.name, image)
            if real_path(other.path) != real_path(image.path):
                raise InputError(
                    f"{image.path}: its mask would have the same name as the mask of {other.path}. "
                    "Predict the two images into different folders, or name the folder that "
                    "contains both."
                )
    paths = {real_path(image.path) for image in images.values()}
    for image in images.values():
        for output in (out / image.mask, out / image.overlay):
            if real_path(str(output)) in paths:
                raise InputError(
                    f"{output}: the image would be overwritten. Choose a different folder for "
                    "--out."
                )
    return list(images.values())


def real_path(path: str) -> str:
    """Returns the path without symbolic links; a remote path is returned unchanged."""
    return path if is_remote(path) else str(Path(path).resolve())


def _remote_matches(pattern: str) -> Iterator[ImageFile]:
    folder, names = pattern, []
    if is_folder(pattern):
        names = [name for name in list_files(pattern) if _is_image(name)]
    elif is_file(pattern):
        folder, _, name = pattern.rpartition("/")
        names = [name]
    elif glob.has_magic(pattern):
        parts = pattern.split("/")
        folder = "/".join(itertools.takewhile(lambda part: not glob.has_magic(part), parts))
        names = [path[len(folder) + 1 :] for path in find_files(pattern) if _is_image(path)]
    else:
        raise InputError(f"{pattern}: no such file or folder.")
    if not names:
        raise InputError(f"{pattern}: {_NO_IMAGES}")
    for name in names:
        yield ImageFile(join(folder, name), str(PurePosixPath(name).with_suffix("")))


def _matches(pattern: str, out: Path) -> Iterator[ImageFile]:
    # A file name may contain brackets, so an existing path is never treated as a glob pattern.
    if os.path.lexists(pattern):
        yield from _below(Path(pattern), Path(pattern), out)
        return
    if not glob.has_magic(pattern):
        raise InputError(f"{pattern}: no such file or folder.")
    fixed, wild = Path(pattern), Path()
    while glob.has_magic(str(fixed)):
        fixed, wild = fixed.parent, fixed.name / wild
    # Unlike `Path.glob`, `glob.glob` follows symbolic links and skips hidden files.
    names = glob.glob(str(wild), root_dir=fixed, recursive=True)  # noqa: PTH207
    paths = [fixed / name for name in sorted(names)]
    if "**" in pattern:  # `**` also matches folders, which are left out
        paths = [path for path in paths if not path.is_dir()]
    if not paths:
        raise InputError(f"{pattern}: no file matches this pattern.")
    for path in paths:
        if not _is_below(path, out) or _is_below(fixed, out):
            yield from _below(path, fixed, out)


def _below(path: Path, folder: Path, out: Path) -> Iterator[ImageFile]:
    """Yields the file at `path`, or all image files below it, with names relative to `folder`."""
    if not path.is_dir():
        name = path.relative_to(folder) if path != folder else Path(path.name)
        yield ImageFile(str(path), str(name.with_suffix("")))
        return
    if path.resolve() == out.resolve():
        raise InputError(f"{out}: contains the images. Choose a different folder for --out.")
    images = [
        path / name
        for name in list_files(str(path))
        if _is_image(name) and not _is_below(path / name, out)
    ]
    if not images:
        raise InputError(f"{path}: {_NO_IMAGES}")
    for image in images:
        yield ImageFile(str(image), str(image.relative_to(folder).with_suffix("")))


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
