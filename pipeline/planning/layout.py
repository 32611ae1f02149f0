"""Recognises how the images and masks in a folder are arranged."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from data.config import DataConfig
from data.errors import InputError, PairError, listed
from data.listing.pairs import Found, find_pairs
from data.sources.image_suffixes import IMAGE_SUFFIXES, expected_suffixes
from data.sources.pattern_advice import patterns_for
from data.sources.split_names import split_of
from data.sources.tables import column_names
from pipeline.planning.annotations import find_annotations, splits_named
from pipeline.planning.class_files import find_class_files, find_folders_of_objects

_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos", "inputs", "x")
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "gt", "groundtruth", "ground_truth"),
    *("segmentationclass", "targets", "segmentation", "y"),
)
_ENDS = ("_mask", "-mask", "_label", "_labels", "_gt", "_seg", "_segmentation", "_L", "_labelIds")
_TABLES = (".csv", ".tsv", ".jsonl")
_IMAGE_COLUMNS, _MASK_COLUMNS = ("image", "images", "img", "file"), ("mask", "masks", "label")
_OF_A_PATH = re.compile(r"[-_ ]?(path|file|filename|file_name)$")
# Words in the names of folders and files that tell masks from images
_MASK_WORDS = re.compile(
    "(?i:mask|label|annot|truth|target|segment|trimap|manual)|(?<![A-Za-z])(?:gt|GT|ann|seg)(?![a-z])"
)
_MOST_FOLDERS = 12  # folders that are compared with each other
_LEVELS = ("", "*/", "*/*/")
_MOST_SHOWN = 5  # folders in a message
_CITYSCAPES = {"image_pattern": "*_leftImg8bit", "mask_pattern": "*_gtFine_labelIds"}


class Layout(NamedTuple):
    """A way to read a folder.

    Attributes:
      source: The `data.source` section of the config, without defaults.
      found: The pairs and the problems that this source finds.
      description: Arrangement of the files, in words.
      classes: Names of the classes, if the source makes the masks from other files; else empty.
    """

    source: dict[str, Any]
    found: Found
    description: str
    classes: list[str]


def find_layout(folder: Path, scratch: str) -> Layout:
    """Finds the source with the most pairs among the usual arrangements.

    The arrangements are a table with paths, sub-folders for images and masks, perhaps in split
    folders or with split lists, images and masks in one folder with names that tell them apart,
    mask files for each class or object, and annotations in the JSON formats of COCO and labelme.
    If there are no pairs, a single sub-folder is looked into, and other names of folders are tried.

    Args:
      folder: Folder with the data.
      scratch: Folder for masks that are made from other files.

    Raises:
      InputError: There is no such folder, or none of the arrangements has pairs.
    """
    if not folder.is_dir():
        fault = "a file. Unpack or convert it" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {fault}.")
    best = _best([*_layouts(folder), *_made_masks(folder, scratch)])
    inner = [path for path in folder.iterdir() if path.name[0] not in "._"]
    if best is None and len(inner) == 1 and inner[0].is_dir():
        return find_layout(inner[0], scratch)
    if best := best or _best(_by_words(folder)) or _best(_in_one_folder(folder)):
        return _without_other_files(_with_lists(best, folder), scratch)
    for source, classes, _ in find_annotations(folder):
        # The annotations cannot be used, and the error says why.
        raise InputError(*in_lines(_find(source, classes, scratch).problems)[:_MOST_SHOWN])
    raise InputError(
        f"{folder}: no pairs of images and masks found among {_contents(folder)}. Expected "
        "sub-folders such as images and masks, perhaps within train, val and test; or names such "
        "as 1.png and 1_mask.png in one folder; or a table (.csv, .jsonl) with the columns image "
        "and mask; or JSON files of COCO or labelme. Images and masks may be "
        f"{expected_suffixes()}. For other arrangements, write a config by hand (docs/data.md, "
        "docs/annotation_tools.md)."
    )


def in_lines(problems: Iterable[PairError]) -> list[str]:
    """Returns a line for each fault, with the first files that have it."""
    files: dict[str, list[str]] = {}
    for problem in problems:
        files.setdefault(problem.reason, []).append(problem.file)
    return [f"{listed(names, 3)}: {reason}" for reason, names in files.items()]


def _best(layouts: Iterable[Layout]) -> Layout | None:
    best = max(layouts, key=lambda layout: len(layout.found.pairs), default=None)
    return best if best and best.found.pairs else None


def _contents(folder: Path) -> str:
    """Returns the number of files of each suffix in a folder and its sub-folders, in words."""
    files = itertools.islice((path for path in folder.rglob("*") if path.is_file()), 10_000)
    kinds = Counter(
        (path.parent.relative_to(folder).as_posix(), path.suffix or path.name) for path in files
    )
    shown = [
        f"{count} *{kind}" + (f" in {place}" if place != "." else "")
        for (place, kind), count in sorted(kinds.items())
    ]
    return listed(shown, _MOST_SHOWN) or "no files"


def _layouts(folder: Path) -> Iterator[Layout]:
    """Yields the arrangements that the folder may have, in the order of preference."""
    for table in sorted(path for end in _TABLES for path in folder.glob(f"*{end}")):
        yield from _tables(table)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    splits = [name for name in names if split_of(name)]
    for inner in {name.name for split in splits for name in (folder / split).iterdir()}:
        if inner.lower() in _IMAGES:
            for masks in (each.name for each in (folder / splits[0]).iterdir()):
                if masks.lower() in _MASKS:
                    source = _folder(folder, inner, masks) | {"split_folders": True}
                    yield from _with_patterns(source, f"{{{','.join(splits)}}}/{{{inner},{masks}}}")
    for images in (name for name in names if name.lower() in _IMAGES):
        for masks in (name for name in names if name.lower() in _MASKS):
            source = _folder(folder, images, masks)
            if any(split_of(path.name) for path in (folder / images).iterdir() if path.is_dir()):
                splits_below = source | {"split_folders": True}
                yield from _layout(splits_below, f"{{{images},{masks}}}/{{train,…}}")
            yield from _with_patterns(source, f"{images}/ and {masks}/")
    for end in _ENDS:
        source = _folder(folder, ".", ".") | {"mask_pattern": f"*{end}"}
        where = f"images and masks (*{end}) in one folder"
        if splits:
            each_split = f"{where} for each of {', '.join(splits)}"
            yield from _layout(source | {"split_folders": True}, each_split)
        yield from _layout(source, where)


def _made_masks(folder: Path, scratch: str) -> Iterator[Layout]:
    """Yields the arrangements whose masks are made from other files."""
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    for images in (name for name in names if name.lower() in _IMAGES):
        for masks in (name for name in names if name.lower() in _MASKS):
            for files in find_class_files(folder / images, folder / masks):
                source = _folder(folder, images, masks) | files.source
                yield from _layout(source, files.description, files.classes, scratch)
    for files in find_class_files(folder, folder):
        source = _folder(folder, ".", ".") | files.source
        yield from _layout(source, files.description, files.classes, scratch)
    for files in find_folders_of_objects(folder):
        source = _folder(folder, ".", ".") | files.source
        yield from _layout(source, files.description, files.classes, scratch)
    for source, classes, description in find_annotations(folder):
        yield from _layout(source, description, classes, scratch)


def _tables(table: Path) -> Iterator[Layout]:
    try:
        columns = column_names(str(table))
    except InputError:
        return
    by_lower = {_OF_A_PATH.sub("", name.lower()): name for name in reversed(columns)}
    image = next((by_lower[name] for name in _IMAGE_COLUMNS if name in by_lower), None)
    mask = next((by_lower[name] for name in _MASK_COLUMNS if name in by_lower), None)
    if image and mask:
        source = {"kind": "manifest", "path": str(table)}
        source |= {key: name for key, name in (("image", image), ("mask", mask)) if key != name}
        yield from _layout(source, f"the table {table.name}, columns {image} and {mask}")


def _by_words(folder: Path) -> list[Layout]:
    """Returns the arrangements of folders with other names than the usual ones.

    Raises:
      InputError: Each split has folders of its own names, which no config can describe.
    """
    below = (path for level in ("*/", "*/*/") for path in sorted(folder.glob(level)))
    names = [path.relative_to(folder).as_posix() for path in below if path.is_dir()]
    masks = [name for name in names if _MASK_WORDS.search(name)][:_MOST_FOLDERS]
    images = [name for name in names if not _MASK_WORDS.search(name)][:_MOST_FOLDERS]
    layouts: list[Layout] = []
    for one, other in itertools.product(images, masks):
        if {*splits_named(one)} ^ {*splits_named(other)} and splits_named(other):
            continue  # the images of one split and the masks of another
        source = _folder(folder, one, other)
        if any(split_of(path.name) for path in (folder / one).iterdir()):
            source |= {"split_folders": True}
        layouts += _with_patterns(source, f"{one}/ and {other}/")
        layouts += _layout(source | _CITYSCAPES, f"{one}/ and {other}/ of Cityscapes")
    _refuse_folders_of_splits(folder, [each for each in layouts if each.found.pairs])
    return layouts


def _refuse_folders_of_splits(folder: Path, layouts: Sequence[Layout]) -> None:
    """Raises an InputError if each split has folders of other names, such as `train_images`."""
    if any(layout.source.get("split_folders") for layout in layouts):
        return
    partners: dict[str, str] = {}
    for layout in sorted(layouts, key=lambda each: (-len(each.found.pairs), len(each.source))):
        partners.setdefault(layout.source["images"], layout.source["masks"])
    of_split = {split: one for one in sorted(partners) for split in splits_named(one)}
    if len(of_split) > 1:
        shown = ", ".join(f"{one} and {partners[one]}" for one in of_split.values())
        targets = ", ".join(f"{split}/images and {split}/masks" for split in of_split)
        raise InputError(
            f"{folder}: images and masks of each split are in folders of other names ({shown}), "
            f"and no config can describe that. Rename them to {targets}, and give each mask the "
            "name of its image."
        )


def _in_one_folder(folder: Path) -> Iterator[Layout]:
    """Yields the arrangement of images and masks in one folder whose names have common parts."""
    names = [path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    masks = [name for name in names if _MASK_WORDS.search(name)]
    patterns = patterns_for([*{*names} - {*masks}], masks)
    if "mask_pattern" in patterns:
        where = f"images and masks ({' and '.join(patterns.values())}) in one folder"
        yield from _layout(_folder(folder, ".", ".") | patterns, where)


def _with_lists(layout: Layout, folder: Path) -> Layout:
    """Uses the split lists in a folder, such as those of Pascal VOC, if they name pairs only."""
    source = layout.source
    if source["kind"] != "folder" or source.get("split_folders"):
        return layout
    for train in sorted(itertools.chain(*(folder.glob(f"{level}train.txt") for level in _LEVELS))):
        lists = {
            split: path.relative_to(folder).as_posix()
            for path in sorted(train.parent.glob("*.txt"))
            if (split := split_of(path.stem))
        }
        where = f"{layout.description}, split by {train.relative_to(folder).as_posix()}, …"
        for listed_layout in _layout(source | {"split_lists": lists}, where):
            if listed_layout.found.pairs and not listed_layout.found.problems:
                return listed_layout
    return layout


def _without_other_files(layout: Layout, scratch: str) -> Layout:
    """Leaves out files that are neither images nor masks, by their suffixes."""
    files = [each.file for each in layout.found.problems if each.kind == "not_an_image"]
    patterns = sorted({f"*{Path(file).suffix}" for file in files} - {"*"})
    if not patterns or layout.source["kind"] != "folder":
        return layout
    where = f"{layout.description}; {', '.join(patterns)} are left out"
    source = layout.source | {"ignore": patterns}
    return next(_layout(source, where, layout.classes, scratch), layout)


def _folder(folder: Path, images: str, masks: str) -> dict[str, Any]:
    source = {"kind": "folder", "path": str(folder)}
    if (images, masks) != ("images", "masks"):
        source |= {"images": images, "masks": masks}
    return source


def _with_patterns(source: dict[str, Any], where: str) -> Iterator[Layout]:
    """Yields the layout of a source, and one with name patterns if many files have no partner."""
    for layout in _layout(source, where):
        yield layout
        problems = layout.found.problems
        if len(problems) <= len(layout.found.pairs):
            continue
        lonely = [problem for problem in problems if problem.kind == "unpaired"]
        patterns = patterns_for(
            [each.file for each in lonely if each.reason.startswith("no mask")],
            [each.file for each in lonely if each.reason.startswith("no image")],
        )
        if patterns:
            names = " and ".join(patterns.values())
            yield from _layout(source | patterns, f"{where}, names {names}")


def _layout(
    source: dict[str, Any], description: str, classes: Sequence[str] = (), scratch: str = ""
) -> Iterator[Layout]:
    """Yields the layout of a source, unless the source cannot be read."""
    try:
        found = _find(source, classes, scratch)
    except (InputError, ValidationError):
        return
    yield Layout(source, found, description, [*classes])


def _find(source: dict[str, Any], classes: Sequence[str], scratch: str) -> Found:
    data = DataConfig.model_validate({"source": source, "classes": [*classes] or ["a", "b"]})
    return find_pairs(data, name="data", folder=scratch)
