"""The content of report.json, which a run's page shows in addition to metrics.json."""

from pydantic import BaseModel
from typing_extensions import Self

from data.examples.split_counts import SplitCounts

CONTENTS_FILE = "report.json"


class SplitContents(BaseModel):
    """Size and class balance of one split, computed from its usable pairs.

    Attributes:
      name: Name of the split.
      images: Number of images in the split.
      groups: Number of groups to which the split's pairs belong.
      shares: Share of each class among the split's labelled pixels, 0..1, by class id.
    """

    name: str
    images: int
    groups: int
    shares: list[float]

    @classmethod
    def of(cls, counts: SplitCounts) -> Self:
        """Converts the counts of a split, which are stored in the examples artifact."""
        return cls(
            name=counts.name, images=counts.pairs, groups=counts.groups, shares=counts.shares
        )


class Card(BaseModel):
    """An image in the report's gallery, with its scores.

    Attributes:
      key: Key of the pair.
      folder: Folder of the image's pictures, relative to the report's folder.
      mean: Mean IoU over the classes in `present`, 0..1; None if the mask has no labelled pixel.
      before: Mean IoU of the baseline on the image, 0..1; None if there is no baseline or if the
        mask has no labelled pixel.
      ious: IoU of each class, 0..1, by class id; None for a class that is in neither the ground
        truth nor the prediction.
      present: Ids of the classes that are in the ground truth or in the prediction.
      width: Width of the pictures in pixels.
      height: Height of the pictures in pixels.
    """

    key: str
    folder: str
    mean: float | None
    before: float | None
    ious: list[float | None]
    present: list[int]
    width: int
    height: int


class CardGroup(BaseModel):
    """A group of gallery images under a common title, such as `Worst`."""

    title: str
    cards: list[Card]


class Contents(BaseModel):
    """The data that a run's page shows in addition to metrics.json.

    Attributes:
      name: Name of the pipeline.
      classes: Names of the classes, by class id.
      histories: For each training phase, the rows of history.csv, one row for each epoch. A row
        maps column names to values; NaN and infinite values are replaced by None.
      splits: Size and class balance of each split, in the order train, val, test.
      gallery: The images in the gallery, grouped under titles.
      provenance: Facts about the origin of the model, each a label and a value, such as the version
        of the code.
      config: Config of the pipeline as YAML.
      network: Encoder and decoder of the model, with the decoder's width; empty if unknown.
    """

    name: str
    classes: list[str]
    histories: list[list[dict[str, float | None]]]
    splits: list[SplitContents]
    gallery: list[CardGroup]
    provenance: list[tuple[str, str]]
    config: str
    network: str = ""
