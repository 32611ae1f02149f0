"""Finds the split folders of a source that is already divided into splits."""

from data.config.sources import FolderSource, SplitName
from data.errors import InputError, PairError
from data.files.finding import is_folder, list_folder
from data.files.paths import join
from data.sources.split_names import SPLIT_NAMES, split_of


def find_split_folders(
    source: FolderSource,
) -> tuple[dict[SplitName, tuple[str, str]], list[PairError]]:
    """Finds each split's folders: `<path>/<split>/<images>` or `<path>/<images>/<split>`.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.

    Returns:
      The image folder and the mask folder of each split, relative to the source's path; and an
      error for each file that is beside the split folders.

    Raises:
      InputError: The folder of the source does not exist, or its split folders are missing or
        ambiguous.
    """
    problems: list[PairError] = []
    images, masks = source.images, source.masks
    sides = sorted({join(source.path, images), join(source.path, masks)})
    outer = {
        name: (f"{name}/{images}", f"{name}/{masks}")
        for name in list_folder(source.path)
        if any(is_folder(join(source.path, f"{name}/{side}")) for side in (images, masks))
    }
    below = [
        (join(side, name), name)
        for side in sides
        if side != source.path and is_folder(side)
        for name in list_folder(side)
    ]
    inner = {
        name: (f"{images}/{name}", f"{masks}/{name}") for path, name in below if is_folder(path)
    }
    layouts = [layout for layout in (outer, inner) if any(map(split_of, layout))]
    names = ", ".join(SPLIT_NAMES)
    if len(layouts) != 1:
        raise InputError(
            f"{source.path}: found {'both' if layouts else 'neither'} <split>/{images} "
            f"{'and' if layouts else 'nor'} {images}/<split>, but data.source.split_folders needs "
            f"one of them. Names of splits: {names}."
        )
    if layouts[0] is inner:
        reason = "not in a split folder. Move the file into one, or elsewhere."
        outside = [path for path, name in below if name not in inner]
        problems.extend(PairError("unmatched", path, reason) for path in outside)
    folders: dict[SplitName, tuple[str, str]] = {}
    for name, of_split in layouts[0].items():
        split = split_of(name)
        if split is None or split in folders:
            fault = "not a split" if split is None else f"a second folder of {split}"
            raise InputError(
                f"{source.path}: the folder {name!r} is {fault}. Rename it, or move it elsewhere. "
                f"Names of splits: {names}."
            )
        folders[split] = of_split
    return folders, problems
