"""report.json: the data that the page of a run shows in addition to metrics.json."""

from pydantic import BaseModel
from typing_extensions import Self

from data.examples.split_counts import SplitCounts

CONTENTS_FILE = "report.json"


class SplitContents(BaseModel):
    """Counts of the usable pairs of one split.

    Attributes:
      name: Name of the split.
      images: Number of images.
      groups: Number of groups that the split's pairs belong to.
      shares: Share of each class among the labelled pixels, by class id, 0..1.
    """

    name: str
    images: int
    groups: int
    shares: list[float]

    @classmethod
    def of(cls, counts: SplitCounts) -> Self:
        """Makes the contents from the counts in the examples artifact."""
        return cls(
            name=counts.name, images=counts.pairs, groups=counts.groups, shares=counts.shares
        )


class Card(BaseModel):
    """An image of the gallery, with its scores.

    Attributes:
      key: Key of the pair.
      folder: Folder of the image's pictures, relative to the folder of the report.
      mean: Mean IoU over the classes in truth or prediction, 0..1; None if no pixel is labelled.
      before: Mean IoU of the baseline on the image, 0..1; None without a baseline.
      ious: IoU of each class, by class id, 0..1; None for a class neither in truth nor prediction.
      present: Ids of the classes in truth or prediction.
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
    """Images of the gallery under one title, such as `Worst`."""

    title: str
    cards: list[Card]


class Contents(BaseModel):
    """The data that the page of a run shows in addition to metrics.json.

    Attributes:
      name: Name of the pipeline.
      classes: Names of the classes, by class id.
      histories: For each training phase the scores of each epoch, by their names in history.csv;
        None stands for NaN.
      splits: Counts of the splits, in the order train, val, test.
      gallery: The images of the gallery, grouped under titles.
      provenance: Label and value of each fact about the model's origin.
      config: Config of the pipeline, as YAML.
    """

    name: str
    classes: list[str]
    histories: list[list[dict[str, float | None]]]
    splits: list[SplitContents]
    gallery: list[CardGroup]
    provenance: list[tuple[str, str]]
    config: str
