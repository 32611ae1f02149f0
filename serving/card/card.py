"""The data of a model card, which is `model_card.json` in each pushed version."""

from pydantic import BaseModel

from serving.card.config import CardConfig


class Measured(BaseModel):
    """A metric with its certainty.

    Attributes:
      value: Value of the metric, 0..1; None where undefined.
      interval: 95 % confidence interval; None if there is none.
    """

    value: float | None
    interval: tuple[float, float] | None = None


class CardSlice(BaseModel):
    """Metrics on one slice of the test split.

    Attributes:
      name: Name of the slice, in the form `feature=value`.
      images: Number of images in the slice.
      metrics: Mean IoU, and the IoU of each class, by metric name.
    """

    name: str
    images: int
    metrics: dict[str, Measured]


class CardSplit(BaseModel):
    """Size and class balance of one split.

    Attributes:
      name: Name of the split.
      images: Number of images in the split.
      groups: Number of groups to which the images belong.
      shares: Share of each class among the labelled pixels, 0..1, by class id.
    """

    name: str
    images: int
    groups: int
    shares: list[float]


class CardData(BaseModel):
    """The data on which the model was trained and measured.

    Attributes:
      spans: Numbers of the deliveries of data; empty for data without spans.
      splits: The splits, in the order train, val, test.
      fingerprint: Hash of the names and contents of all pairs.
    """

    spans: list[int]
    splits: list[CardSplit]
    fingerprint: str


class CardNetwork(BaseModel):
    """Architecture, size and weights of the network.

    Attributes:
      architecture: Encoder and decoder, with the width of the decoder; empty if unknown.
      view: Form in which the network receives an image, with its size in pixels.
      precision: Compute dtype of the training; empty if unknown.
      weights: Initial weights of the encoder; empty if unknown.
      licence: Licence of these weights; empty if unknown.
      parameters: Number of parameters.
      mebibytes: Size of the SavedModel in MiB.
      gflops: Floating-point operations for one input of the network, in units of 10⁹; a
        multiply-add counts as two. None if unknown.
    """

    architecture: str
    view: str
    precision: str
    weights: str
    licence: str
    parameters: int
    mebibytes: float
    gflops: float | None


class CardSpeed(BaseModel):
    """Measurements of ServingCheck, on the machine that ran it.

    Attributes:
      images: Number of images that were sent.
      p50_ms: Median latency of a request with one image, in milliseconds.
      p95_ms: 95th percentile of the latency, in milliseconds.
      load_seconds: Time taken to load the model, in seconds.
      peak_mib: Peak memory of the process, in MiB, including TensorFlow.
    """

    images: int
    p50_ms: float | None
    p95_ms: float | None
    load_seconds: float | None
    peak_mib: float | None


class CardVerdict(BaseModel):
    """The verdict of the gate, and what people decided about it.

    Attributes:
      blessed: Whether the gate blessed the model.
      baseline: Short name of the last blessed model, to which the gate compared this one; None
        without one.
      rules: Result of each rule, one line each, and one that names the rules without an interval.
      remarks: Further information, one line each.
      decisions: Decisions of people, one sentence each, without a full stop.
    """

    blessed: bool
    baseline: str | None
    rules: list[str]
    remarks: list[str]
    decisions: list[str] = []


class ModelCard(BaseModel):
    """A model card.

    Attributes:
      name: Name of the model.
      trained: Time at which the model was exported, UTC; None if unknown.
      texts: What people wrote about the model in the config.
      classes: Names of the classes, by class id.
      data: The data on which the model was trained and measured.
      images: Number of images in the test split.
      groups: Number of groups in the test split.
      metrics: All metrics on the test split, by metric name.
      slices: Metrics on slices, the worst first, at most `MOST_SLICES`.
      weak_spots: The worst classes, and the slices that are worse beyond noise, one line each.
      verdict: Verdict of the gate.
      temperature: Temperature of the probabilities, fitted on `val`; None for a model without one.
      network: Architecture, size and weights of the network.
      speed: Measurements of ServingCheck.
      versions: Versions of the software that made the model, by name.
    """

    name: str
    trained: str | None
    texts: CardConfig
    classes: list[str]
    data: CardData
    images: int
    groups: int
    metrics: dict[str, Measured]
    slices: list[CardSlice]
    weak_spots: list[str]
    verdict: CardVerdict
    temperature: float | None
    network: CardNetwork
    speed: CardSpeed
    versions: dict[str, str]


MOST_SLICES = 50
"""Maximum number of slices on a card. A feature may have thousands of values."""
