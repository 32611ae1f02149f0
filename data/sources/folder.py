"""Finds pairs in folders: a mask belongs to the image with the same relative path and stem.

Pairing two sorted listings by position would pair the wrong files as soon as one file is missing.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from typing_extensions import Self

from data.config.sources import FolderSource, SplitName
from data.errors import PairError
from data.files.finding import sub_folders, walk
from data.files.path_advice import missing_entry_advice
from data.files.paths import join, relative_path
from data.files.reading import read_text_lines
from data.sources.file_patterns import TOOL_FILES, Pattern, is_ignored, kind_and_match
from data.sources.image_suffixes import expected_suffixes, without_image_suffix
from data.sources.raw_pairs import Ignored, Part, RawFound, RawPair
from data.sources.split_folders import find_split_folders

_MOST_PARTS = 32  # maximum number of parts into which the sub-folders of a folder are divided
_MOST_SUB_FOLDERS = 10_000  # a folder with this many sub-folders is a single part, to save memory


class File(NamedTuple):
    """An image file or a mask file.

    Attributes:
      kind: `image` or `mask`.
      key: Key of the pair: the relative folder and the file name stem. With split folders, the key
        starts with `<split>/`.
      path: Path of the file, local or remote.
      other: Folder of the opposite kind of file: of the masks for an image, and of the images for a
        mask.
      split: Split of the split folder that contains the file; None without split folders.
      lists: Whether the source has split lists, so that only the pairs in these lists are used.
      origin: Path of the file in messages; empty if it is `path`.
      problem: Kind, file and reason of the error because of which a mask cannot be used; None if
        there is none.
    """

    kind: str
    key: str
    path: str
    other: str
    split: SplitName | None
    lists: bool
    origin: str = ""
    problem: tuple[str, str, str] | None = None

    @property
    def name(self) -> str:
        """The key, which is the same for an image and its mask."""
        return self.key


class ListEntry(NamedTuple):
    """A line of a split list.

    Attributes:
      text: Key of a pair, or the key with an image suffix.
      split: Split to which the list assigns its pairs.
      place: Path of the list, with the number and the text of the line, for messages.
      folder: Folder of the images, for messages.
    """

    text: str
    split: SplitName
    place: str
    folder: str

    @property
    def name(self) -> str:
        """The text. `hash_key` ignores image suffixes, so the text has the key's hash."""
        return self.text


class MaskPart(NamedTuple):
    """A mask file of a single class or object.

    Attributes:
      file: The file, with the key and the split of its pair.
      class_name: Name of the class; None if the name of the file does not give it.
    """

    file: File
    class_name: str | None


def parts(source: FolderSource, classes: Sequence[str] = ()) -> list[Part]:
    """Divides a folder into parts that can be listed in parallel.

    Args:
      source: Config of the source; its path must not contain `{SPAN}`.
      classes: Names of the classes, if the masks are files for single classes or objects. `find`
        then yields no masks.

    Returns:
      The parts. The parts of an image folder together require at least one image, and the parts of
      a mask folder together require at least one mask.

    Raises:
      InputError: The folder does not exist; or split folders are expected (`split_folders`), but
        are missing or ambiguous.
    """
    names = tuple(classes)
    if not source.split_folders:
        lists = {split: join(source.path, name) for split, name in source.split_lists.items()}
        place = _Place.of(source, source.images, source.masks, names, lists=tuple(lists.values()))
        list_parts = [
            Part(_List(path, split, place.folders["image"])) for split, path in lists.items()
        ]
        return [*_parts_of(place), *list_parts]
    folders, problems = find_split_folders(source)
    places = [_Place.of(source, *of_split, names, split) for split, of_split in folders.items()]
    return [
        *(Part(problem) for problem in problems),
        *(part for place in places for part in _parts_of(place)),
    ]


def find(part: "PairError | _Listing | _List") -> Iterator[File | ListEntry | Ignored | PairError]:
    """Lists the files in a part of a folder, or the lines of a split list.

    Names are case-sensitive: `A.png` and `a.png` are different images. A file that matches both the
    image pattern and the mask pattern belongs to the more specific one.

    Args:
      part: Content of a part that `parts` returned.

    Yields:
      A row for each image, each mask, each non-empty line and each file that is left out; and an
      error for every other file. Left out are the files that `data.source.ignore` matches and, if
      the source has name patterns, files that annotation tools write beside masks. Hidden files and
      files that file managers create are skipped.

    Raises:
      InputError: A folder or a split list cannot be read.
    """
    if isinstance(part, PairError):
        yield part
    elif isinstance(part, _List):
        yield from _entries(part)
    else:
        for row in _files(part):
            if not isinstance(row, MaskPart):
                yield row


def mask_parts(part: "PairError | _Listing | _List") -> Iterator[MaskPart]:
    """Lists the mask files of single classes or objects in a part of a folder (see `find`)."""
    if isinstance(part, _Listing):
        yield from (row for row in _files(part) if isinstance(row, MaskPart))


def pair(rows: Sequence[File | ListEntry]) -> RawFound:
    """Forms pairs from files with the same key.

    Args:
      rows: All files that have a certain key, or several keys that differ only in image suffixes;
        and all lines of split lists that contain such a key.

    Returns:
      The pairs. Every other file is reported as a problem, or its key is listed as unused if it is
      in no split list.
    """
    files: dict[str, list[File]] = defaultdict(list)
    entries = []
    lists = False
    for row in rows:
        if isinstance(row, File):
            files[row.key].append(row)
            lists = lists or row.lists
        else:
            entries.append(row)
    if lists or entries:
        return _pair_listed(files, entries)
    found = RawFound([], [], [])
    for key, of_key in files.items():
        _pair(key, of_key, found)
    return found


class _Place(NamedTuple):
    """Where to look for pairs: folders, file name patterns, split, and split lists."""

    folders: dict[str, str]  # keys: "image" and "mask" (also in `patterns`)
    patterns: dict[str, str]
    classes: tuple[str, ...]  # if the masks are files for single classes or objects
    split: SplitName | None
    lists: tuple[str, ...]  # paths of split lists, which are not reported as problems
    ignore: tuple[str, ...]  # name patterns of files that are left out

    @classmethod
    def of(
        cls,
        source: FolderSource,
        images: str,
        masks: str,
        classes: tuple[str, ...],
        split: SplitName | None = None,
        lists: tuple[str, ...] = (),
    ) -> Self:
        folders = {"image": join(source.path, images), "mask": join(source.path, masks)}
        patterns = {"image": source.image_pattern, "mask": source.mask_pattern}
        return cls(folders, patterns, classes, split, lists, tuple(source.ignore))

    @property
    def has_patterns(self) -> bool:
        return any(pattern != "*" for pattern in self.patterns.values())


class _Listing(NamedTuple):
    """A part of an image folder or a mask folder."""

    place: _Place
    folder: str
    starts: tuple[str, ...]  # relative paths of the sub-folders to list; "" is the folder itself
    deep: bool  # whether to list nested sub-folders, too


class _List(NamedTuple):
    """A split list."""

    path: str
    split: SplitName
    folder: str  # folder of the images


def _parts_of(place: _Place) -> Iterator[Part]:
    for folder in dict.fromkeys(place.folders.values()):
        required = {
            kind: f"{folder}: no {kind}s found, even in nested folders. Expected "
            f"{expected_suffixes()}, matching data.source.{kind}_pattern: "
            f"{place.patterns[kind]!r}."
            for kind, folder_of_kind in place.folders.items()
            if folder_of_kind == folder and not (kind == "mask" and place.classes)
        }
        others = place.folders.values()
        names = list(itertools.islice(sub_folders(folder), _MOST_SUB_FOLDERS))
        below = [name for name in names if join(folder, name) not in others]
        if not below or len(names) == _MOST_SUB_FOLDERS:
            yield Part(_Listing(place, folder, ("",), deep=True), required)
            continue
        yield Part(_Listing(place, folder, ("",), deep=False), required)
        count = min(len(below), _MOST_PARTS)
        for starts in (tuple(below[number::count]) for number in range(count)):
            yield Part(_Listing(place, folder, starts, deep=True), required)


def _files(part: _Listing) -> Iterator[File | MaskPart | Ignored | PairError]:
    place, folder = part.place, part.folder
    kinds = [kind for kind, folder_of_kind in place.folders.items() if folder_of_kind == folder]
    patterns = {kind: Pattern.of(place.patterns[kind], place.classes) for kind in kinds}
    nested = [
        f"{name}/"
        for other in place.folders.values()
        if other != folder and (name := relative_path(other, folder))
    ]
    others = {"image": place.folders["mask"], "mask": place.folders["image"]}
    places = (place for start in part.starts for place in walk(folder, start, deep=part.deep))
    for inner, names in itertools.groupby(places, lambda place: place[0]):
        above = f"{inner}/" if inner else ""
        if any(above.startswith(other) for other in nested):
            continue
        # `join` normalises the path, which is slow, so it is called once per folder.
        here = join(folder, f"{above}x")[:-1]
        for _, name in names:
            path = here + name
            if path in place.lists:
                continue
            if is_ignored(name, place.ignore, above):
                yield Ignored(path, "left out by data.source.ignore.")
                continue
            try:
                kind, match = kind_and_match(path, above, name, patterns)
            except PairError as error:
                known = place.has_patterns and is_ignored(name, TOOL_FILES)
                yield Ignored(path, "left out, as annotation tools write it.") if known else error
            else:
                key = match.key if place.split is None else f"{place.split}/{match.key}"
                file = File(kind, key, path, others[kind], place.split, bool(place.lists))
                is_part = kind == "mask" and place.classes
                yield MaskPart(file, match.class_name) if is_part else file


def _entries(part: _List) -> Iterator[ListEntry]:
    for number, line in enumerate(read_text_lines(part.path), 1):
        if entry := line.strip():
            yield ListEntry(entry, part.split, f"{part.path}:{number} ({entry})", part.folder)


def _pair(key: str, files: Sequence[File], found: RawFound) -> None:
    """Adds to `found` the pair that the files with a key form, or their problems."""
    images = [file for file in files if file.kind == "image"]
    masks = [file for file in files if file.kind == "mask"]
    if masks and masks[0].problem:
        found.problems.append(PairError(*masks[0].problem))
        return
    if len(images) == len(masks) == 1:
        found.pairs.append(RawPair(key, images[0].path, masks[0].path, images[0].split))
        return
    if len(images) > 1 or len(masks) > 1:
        several = "images" if len(images) > 1 else "masks"
        kind, reason = "same_name", f"there are several {several} of that name. Keep one."
    else:
        present, missing = ("image", "mask") if images else ("mask", "image")
        kind = "unpaired"
        reason = f"no {missing} of that name in {files[0].other}. Add it or remove the {present}."
    places = [file.origin or file.path for file in images + masks]
    found.problems.extend(PairError(kind, place, reason) for place in places)


def _pair_listed(files: Mapping[str, Sequence[File]], entries: Sequence[ListEntry]) -> RawFound:
    """Forms the pairs that are named in the split lists; other files need not form pairs."""
    found = RawFound([], [], [])
    splits: dict[str, set[SplitName]] = defaultdict(set)
    for entry in entries:
        key = entry.text if entry.text in files else without_image_suffix(entry.text)
        if key in files:
            splits[key].add(entry.split)
        else:
            reason = missing_entry_advice(entry.text, entry.folder)
            found.problems.append(PairError("not_in_folder", entry.place, reason))
    for key, of_key in files.items():
        if key not in splits:
            found.unused.append(key)
            continue
        first, *others = sorted(splits[key])
        if not others:
            _pair(key, [file._replace(split=first) for file in of_key], found)
            continue
        reason = f"listed for {' and '.join([first, *others])}. Keep it in one of the lists."
        found.problems.extend(PairError("in_two_lists", file.path, reason) for file in of_key)
    return found
