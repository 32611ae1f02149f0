"""Finds pairs in folders: a mask belongs to the image with the same relative path and stem.

Pairing two sorted listings by position would pair the wrong files as soon as one file is missing.
"""

import posixpath
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from typing_extensions import Self

from data.errors import InputError, PairError
from data.files import is_folder, join, list_files, list_folder, read_text, relative_path
from data.source_config import FolderSource, SplitName
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes, without_image_suffix
from data.sources.raw_pairs import RawFound, RawPair
from data.sources.split_names import SPLIT_NAMES, split_of


def find(source: FolderSource) -> RawFound:
    """Finds the pairs of image and mask files in a folder.

    Names are case-sensitive: `A.png` and `a.png` are different images. A file that matches both the
    image pattern and the mask pattern belongs to the more specific one.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.

    Returns:
      The pairs found in the folder. Every other file is reported as a problem, or its key is listed
      as unused if it is in no split list. Hidden files and files that file managers create are
      ignored.

    Raises:
      InputError: The folder does not exist, or contains no image or no mask; a split list cannot be
        read; or split folders are expected (`split_folders`), but are missing or ambiguous.
    """
    if source.split_folders:
        return _find_in_split_folders(source)
    place = _Place.of(source, source.images, source.masks)
    lists = {split: join(source.path, name) for split, name in source.split_lists.items()}
    files = _sort_files(place, ignored=frozenset(lists.values()))
    return _find_listed(files, place, lists) if lists else _pair(files, place)


class _Pattern(NamedTuple):
    """A file name pattern, in which `*` stands for a stem of at least one character."""

    before: str
    after: str
    suffix: str | None  # None if any image suffix matches

    @classmethod
    def of(cls, text: str) -> Self:
        suffix = posixpath.splitext(text)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            text = text[: -len(suffix)]
        before, _, after = text.partition("*")
        return cls(before, after, suffix if suffix in IMAGE_SUFFIXES else None)

    @property
    def exactness(self) -> tuple[int, bool]:
        return len(self.before) + len(self.after), self.suffix is not None

    def stem_of(self, name: str) -> str | None:
        """Returns the part of a file name that `*` stands for, or None if there is no match."""
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() not in (IMAGE_SUFFIXES if self.suffix is None else {self.suffix}):
            return None
        inner = stem.removeprefix(self.before).removesuffix(self.after)
        return inner if inner and f"{self.before}{inner}{self.after}" == stem else None


class _Place(NamedTuple):
    """Where to look for pairs: image and mask folders, file name patterns, and split."""

    folders: dict[str, str]  # keys: "image" and "mask" (also in `patterns`)
    patterns: dict[str, str]
    split: SplitName | None

    @classmethod
    def of(
        cls, source: FolderSource, images: str, masks: str, split: SplitName | None = None
    ) -> Self:
        folders = {"image": join(source.path, images), "mask": join(source.path, masks)}
        return cls(folders, {"image": source.image_pattern, "mask": source.mask_pattern}, split)


class _Files(NamedTuple):
    """Paths of image and mask files by key: the relative folder and the file name stem."""

    images: dict[str, list[str]]
    masks: dict[str, list[str]]
    problems: list[PairError]


def _sort_files(place: _Place, ignored: frozenset[str] = frozenset()) -> _Files:
    files: dict[str, dict[str, list[str]]] = {kind: defaultdict(list) for kind in place.folders}
    problems = []
    folders = list(dict.fromkeys(place.folders.values()))
    for folder in folders:
        patterns = {
            kind: _Pattern.of(pattern)
            for kind, pattern in place.patterns.items()
            if place.folders[kind] == folder
        }
        nested = [
            name for other in folders if other != folder and (name := relative_path(other, folder))
        ]
        for name in list_files(folder):
            path = join(folder, name)
            if path in ignored or any(name.startswith(f"{other}/") for other in nested):
                continue
            try:
                kind, stem = _kind_and_stem(path, patterns)
            except PairError as error:
                problems.append(error)
            else:
                files[kind][posixpath.join(posixpath.dirname(name), stem)].append(path)
    for kind, by_key in files.items():
        if not by_key:
            raise InputError(
                f"{place.folders[kind]}: no {kind}s found, even in nested folders. Expected "
                f"{expected_suffixes()}, matching data.source.{kind}_pattern: "
                f"{place.patterns[kind]!r}."
            )
    return _Files(files["image"], files["mask"], problems)


def _kind_and_stem(path: str, patterns: Mapping[str, _Pattern]) -> tuple[str, str]:
    name = posixpath.basename(path)
    stems = {kind: stem for kind in patterns if (stem := patterns[kind].stem_of(name)) is not None}
    keys = " and ".join(f"data.source.{kind}_pattern" for kind in patterns)
    if not stems:
        if posixpath.splitext(name)[1].lower() not in IMAGE_SUFFIXES:
            reason = (
                f"not an image suffix (expected {expected_suffixes()}). Move the file elsewhere."
            )
            raise PairError("not_an_image", path, reason)
        reason = (
            f"the name does not match {keys}. Rename the file, move it elsewhere, or correct the "
            "pattern."
        )
        raise PairError("unmatched", path, reason)
    most = max(patterns[kind].exactness for kind in stems)
    kind, *others = (kind for kind in stems if patterns[kind].exactness == most)
    if others:
        reason = f"the name matches {keys} equally well. Make one of the patterns more specific."
        raise PairError("unmatched", path, reason)
    return kind, stems[kind]


def _pair(files: _Files, place: _Place) -> RawFound:
    found = RawFound([], list(files.problems), [])
    for key in files.images.keys() | files.masks.keys():
        images, masks = files.images.get(key, []), files.masks.get(key, [])
        if len(images) == len(masks) == 1:
            name = key if place.split is None else f"{place.split}/{key}"
            found.pairs.append(RawPair(name, images[0], masks[0], place.split))
            continue
        if len(images) > 1 or len(masks) > 1:
            several = "images" if len(images) > 1 else "masks"
            kind, reason = "same_name", f"there are several {several} of that name. Keep one."
        else:
            present, missing = ("image", "mask") if images else ("mask", "image")
            folder = place.folders[missing]
            kind = "unpaired"
            reason = f"no {missing} of that name in {folder}. Add it or remove the {present}."
        found.problems.extend(PairError(kind, file, reason) for file in images + masks)
    return found


def _find_listed(files: _Files, place: _Place, lists: Mapping[SplitName, str]) -> RawFound:
    """Finds the pairs that are named in the split lists; other files need not form pairs."""
    known = files.images.keys() | files.masks.keys()
    problems = list(files.problems)
    splits: dict[str, set[SplitName]] = defaultdict(set)
    for split, path in lists.items():
        for number, line in enumerate(read_text(path).splitlines(), 1):
            entry = line.strip()
            key = entry if entry in known else without_image_suffix(entry)
            if key in known:
                splits[key].add(split)
            elif entry:
                reason = f"no such image in {place.folders['image']}. Correct or remove the line."
                problems.append(PairError("not_in_folder", f"{path}:{number} ({entry})", reason))
    split_of_key = {}
    for key, splits_of_key in splits.items():
        first, *others = sorted(splits_of_key)
        if not others:
            split_of_key[key] = first
            continue
        reason = f"listed for {' and '.join([first, *others])}. Keep it in one of the lists."
        paths = files.images.get(key, []) + files.masks.get(key, [])
        problems.extend(PairError("in_two_lists", path, reason) for path in paths)

    def listed(by_key: dict[str, list[str]]) -> dict[str, list[str]]:
        return {key: paths for key, paths in by_key.items() if key in split_of_key}

    found = _pair(_Files(listed(files.images), listed(files.masks), problems), place)
    pairs = [pair._replace(split=split_of_key[pair.key]) for pair in found.pairs]
    return RawFound(pairs, found.problems, sorted(known - splits.keys()))


def _find_in_split_folders(source: FolderSource) -> RawFound:
    found = RawFound([], [], [])
    for place in _split_places(source, found.problems):
        in_split = _pair(_sort_files(place), place)
        found.pairs.extend(in_split.pairs)
        found.problems.extend(in_split.problems)
    return found


def _split_places(source: FolderSource, problems: list[PairError]) -> list[_Place]:
    """Finds each split's folders: `<path>/<split>/<images>` or `<path>/<images>/<split>`."""
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
    places: dict[SplitName, _Place] = {}
    for name, folders in layouts[0].items():
        split = split_of(name)
        if split is None or split in places:
            fault = "not a split" if split is None else f"a second folder of {split}"
            raise InputError(
                f"{source.path}: the folder {name!r} is {fault}. Rename it, or move it elsewhere. "
                f"Names of splits: {names}."
            )
        places[split] = _Place.of(source, *folders, split)
    return list(places.values())
