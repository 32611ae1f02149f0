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


class ErrorArea(BaseModel):
    """The largest connected area of wrong pixels in an image, which is shown at full resolution.

    Attributes:
      folder: Folder of the pictures of the region around the area, relative to the report's folder.
      width: Width of these pictures in pixels.
      height: Height of these pictures in pixels.
      pixels: Number of wrong pixels in the area.
      ids: `data:` URLs of small pictures of the class ids, by layer (`truth`, `prediction`).
      truth: Class id in the ground truth, of the most frequent confusion in the area.
      predicted: Predicted class id, of the most frequent confusion in the area.
    """

    folder: str
    width: int
    height: int
    ids: dict[str, str] = {}
    pixels: int
    truth: int
    predicted: int


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
      ids: `data:` URLs of small pictures of the class ids, by layer (`truth`, `prediction`).
      cost: By how much the mean IoU on the test split would rise without the image; None in reports
        of older versions.
      costs: The same for the IoU of each class, by class id; None for a class that is in no mask
        and no prediction of the split.
      wrong: Number of incorrectly predicted pixels.
      share: Share of the labelled pixels that are predicted incorrectly, 0..1.
      error: The largest connected area of wrong pixels; None if no pixel is wrong.
    """

    key: str
    folder: str
    mean: float | None
    before: float | None
    ious: list[float | None]
    present: list[int]
    width: int
    height: int
    ids: dict[str, str] = {}
    cost: float | None = None
    costs: list[float | None] = []
    wrong: int = 0
    share: float = 0.0
    error: ErrorArea | None = None


class CardGroup(BaseModel):
    """A group of gallery images under a common title, such as `Most wrong pixels`."""

    title: str
    cards: list[Card]


class WrongMaskCard(BaseModel):
    """A mask that may be wrong, with the worst region.

    Attributes:
      key: Key of the pair.
      split: Split of the pair.
      content: Hash of image and mask, by which people's verdicts are kept.
      folder: Folder of the pictures of the region, relative to the report's folder.
      width: Width of the pictures in pixels.
      height: Height of the pictures in pixels.
      ids: `data:` URLs of small pictures of the class ids, by picture (`mask`, `expected`).
      given: Class id of the region in the mask.
      probable: Class id that the model expects.
      pixels: Number of pixels in the region.
      confidence: Mean probability of the probable class in the region, 0..1.
      regions: Number of regions in the image.
      quality: Label quality of the mask, 0..1.
    """

    key: str
    split: str
    content: str
    folder: str
    width: int
    height: int
    ids: dict[str, str] = {}
    given: int
    probable: int
    pixels: int
    confidence: float
    regions: int
    quality: float


class WrongMasks(BaseModel):
    """The masks of held-out images that the model contradicts.

    Attributes:
      contradicted: Number of masks that the model contradicts.
      scored: Number of masks that were compared with the model.
      judged: Number of masks that were left out because a person has judged them.
      cards: The most suspicious masks.
    """

    contradicted: int
    scored: int
    judged: int
    cards: list[WrongMaskCard]


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
      temperature: Temperature of the model's probabilities; None for a model without one.
      wrong_masks: The masks of `val` and `test` that may be wrong; None in reports of older
        versions.
    """

    name: str
    classes: list[str]
    histories: list[list[dict[str, float | None]]]
    splits: list[SplitContents]
    gallery: list[CardGroup]
    provenance: list[tuple[str, str]]
    config: str
    network: str = ""
    temperature: float | None = None
    wrong_masks: WrongMasks | None = None
