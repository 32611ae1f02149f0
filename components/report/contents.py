"""The content of report.json: data that the page of a run shows in addition to metrics.json."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel
from typing_extensions import Self

from data.examples.records import Record

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
    def of(cls, name: str, records: Sequence[Record], num_classes: int) -> Self:
        """Counts the images, groups and class pixels of a split.

        Args:
          name: Name of the split.
          records: Records of the usable pairs of all splits.
          num_classes: Number of classes.
        """
        members = [record for record in records if record.pair.split == name]
        pixels = np.zeros(num_classes)
        for statistics in (record.statistics for record in members):
            if statistics:
                pixels += statistics.class_pixels
        return cls(
            name=name,
            images=len(members),
            groups=len({record.pair.group for record in members}),
            shares=(pixels / (pixels.sum() or 1)).tolist(),
        )


class Card(BaseModel):
    """An image of the gallery, with its scores.

    Attributes:
      key: Key of the pair.
      folder: Folder of the image's pictures, relative to the folder of the report.
      mean: Mean IoU over the classes in `present`, 0..1; None if no pixel is labelled.
      before: Mean IoU of the baseline on the image, 0..1; None without a baseline or without a
        labelled pixel.
      ious: IoU of each class, by class id, 0..1; None for a class that is neither in the truth nor
        in the prediction.
      present: Ids of the classes that are in the truth or in the prediction.
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
    """Images of the gallery with a common title, such as `Worst`."""

    title: str
    cards: list[Card]


class Contents(BaseModel):
    """The data that the page of a run shows in addition to metrics.json.

    Attributes:
      name: Name of the pipeline.
      classes: Names of the classes, by class id.
      histories: The rows of history.csv of each training phase, one row for each epoch: column name
        to value; None stands for NaN and infinite values.
      splits: Counts of the splits, in the order train, val, test.
      gallery: The images of the gallery, grouped under titles.
      provenance: Label and value of each fact about the origin of the model, such as its code.
      config: Config of the pipeline, as YAML.
    """

    name: str
    classes: list[str]
    histories: list[list[dict[str, float | None]]]
    splits: list[SplitContents]
    gallery: list[CardGroup]
    provenance: list[tuple[str, str]]
    config: str
