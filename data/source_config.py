"""Config of the data source, for each kind of source.

All steps of the pipeline read the config, and a step runs again when its code changes. So the
config classes are separate from the code in `data.sources` that finds pairs.
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
"""Placeholder for the number of a span in a path, as in TFX; `{SPAN:3}` has three digits.

A span is one numbered delivery of data.
"""
_FileName = Annotated[str, Field(pattern=r"^[^*/]*\*[^*/]*$")]


class Source(Strict):
    """Base class of the `data.source` section of the config, for all kinds of sources.

    A kind of source is a subclass that narrows `kind` to a literal; `data.sources.registry` has
    the functions of each kind.

    Attributes:
      kind: Name of the kind of source.
    """

    kind: str

    @property
    def has_spans(self) -> bool:
        """Whether the source is divided into spans."""
        return False


class SpannedSource(Source):
    """Base class of the sources whose path may contain `{SPAN}`, the number of a delivery.

    Attributes:
      path: Path of the source, local or on any file system that TensorFlow reads (`gs://…`).
      newest_spans: How many of the newest spans to use; null for all spans.
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
    """A sample data set of an installed package, written to image and mask files on first use.

    Attributes:
      name: Name of the data set.
    """

    kind: Literal["sample"]
    name: Literal["blue_marble"]


class FolderSource(SpannedSource):
    """A folder with a sub-folder of images and a sub-folder of masks; both may have nested folders.

    A mask belongs to the image with the same relative folder and the same stem of the file name.

    Attributes:
      path: Path of the folder, local or on any file system that TensorFlow reads (`gs://…`); a
        relative path starts at the current folder. If the path contains `{SPAN}`
        (`cells/span-{SPAN}`), every folder with a number at this position is a span.
      newest_spans: How many of the newest spans to use; null for all spans.
      images: Name of the sub-folder of images; `.` for the folder itself.
      masks: Name of the sub-folder of masks; `.` for the folder itself.
      image_pattern: Pattern of the names of image files; `*` stands for the stem. A pattern without
        a file suffix matches every image suffix.
      mask_pattern: Pattern of the names of mask files, for example `*_mask.png`.
      split_folders: Whether each split has a folder, `<path>/train/<images>` or
        `<path>/<images>/train`; the names training, valid, validation and testing are accepted,
        too.
      split_lists: Maps a split name to a text file with one key (a relative path, with or without
        suffix) per line. Pairs in no list are not used. The text file's path is relative to `path`.
    """

    kind: Literal["folder"]
    images: str = "images"
    masks: str = "masks"
    image_pattern: _FileName = "*"
    mask_pattern: _FileName = "*"
    split_folders: bool = False
    split_lists: dict[SplitName, str] = Field(default={})

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
      path: Path of the table: `.csv` with a header line, or `.jsonl` with one object per line;
        local or on any file system that TensorFlow reads. If the path contains `{SPAN}`, every file
        with a number at this position is a span.
      newest_spans: How many of the newest spans to use; null for all spans.
      image: Name of the column with the image's path, relative to the manifest's folder.
      mask: Name of the column with the mask's path.
      split: Name of the column with the split, if the table has one. If the cell is empty, a hash
        of the pair's group decides the split, as for other sources.
      source: Name of the column with the data set's name, if the table has one.
      columns: Names of the other columns to store in the examples, so that metrics can be computed
        for each value (`evaluation.slices: [column/scanner]`); null for all other columns. A
        changed cell counts as new data: leave out columns that often change, and confidential
        columns.
      allow_outside: Whether image and mask paths may lead out of the manifest's folder.
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
    """A data set of TensorFlow Datasets that is already prepared; nothing is downloaded.

    Attributes:
      name: Name of the data set, with config and version if needed: `oxford_iiit_pet:4.0.0`.
      data_dir: Folder of the prepared data set; null for the default folder of TensorFlow Datasets.
      image: Name of the feature with the image.
      mask: Name of the feature with the mask: an image feature of one channel.
      key: Name of a text feature with the pair's key; null for the example ids of TensorFlow
        Datasets.
      splits: Maps a split name to a split expression of TensorFlow Datasets (`train[:90%]`). If
        empty, all examples are used, and a hash of each pair's group decides the split.
    """

    kind: Literal["tfds"]
    name: str
    data_dir: str | None = None
    image: str = "image"
    mask: str = "segmentation_mask"
    key: str | None = None
    splits: dict[SplitName, str] = Field(default={})


def _kinds_of(base: type[Source]) -> list[type[Source]]:
    """Lists the subclasses of a class that are kinds of sources, in the order of definition."""
    return [
        kind
        for subclass in base.__subclasses__()
        for kind in (subclass, *_kinds_of(subclass))
        if kind.model_fields["kind"].annotation is not str
    ]


if TYPE_CHECKING:  # type checkers do not accept computed unions
    AnySource: TypeAlias = Source
else:
    AnySource = Annotated[reduce(or_, _kinds_of(Source)), Field(discriminator="kind")]
"""Config of a source of any kind; `kind` selects the class."""
