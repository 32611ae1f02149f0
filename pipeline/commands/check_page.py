"""Writes the page of `unetfx check`, with pictures of the pairs that each finding concerns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from data.checks import Finding
from data.config import DataConfig
from data.errors import InputError
from data.examples.split_counts import SplitCounts
from data.files.reading import read_bytes
from data.files.writing import write_text
from data.listing.listing import Listing
from data.listing.pair import Pair
from data.rasters.images import load_image
from data.rasters.masks import load_mask
from pipeline.commands.check_samples import draw_samples
from pipeline.commands.page_templates import page_template
from pipeline.config.config import Config
from serving.data_url import picture_url
from serving.palette import class_marks, colour_table

_THUMBNAIL_SIDE = 144  # maximum width and height of a thumbnail, in pixels
_MOST_EXHIBITS = 12  # maximum number of pairs or files to show for each finding


class Exhibit(NamedTuple):
    """Pictures of a pair or a file to which a finding applies.

    Attributes:
      title: Key of the pair or name of the file.
      pictures: `data:` URLs of the image and the mask of a pair, or of a single file; an empty
        string for a file that cannot be shown.
    """

    title: str
    pictures: Sequence[str]


def write_page(
    path: Path,
    config: Config,
    accepted: bool,
    splits: Sequence[SplitCounts],
    findings: Sequence[Finding],
    listing: Listing,
) -> None:
    """Writes the findings to a single HTML file, in which all pictures are embedded.

    Args:
      path: Path of the HTML file.
      config: The config of the checked data.
      accepted: Whether a run of the pipeline would accept the data.
      splits: Counts of the usable pairs in each split.
      findings: The findings of the checks, errors first.
      listing: The pairs, of which some are shown.

    Raises:
      InputError: The file cannot be written.
    """
    pairs = listing.pairs_of(key for finding in findings for key in finding.keys[:_MOST_EXHIBITS])
    page = page_template("check.html").render(
        name=config.name,
        accepted=accepted,
        classes=class_marks(config.data.classes),
        splits=splits,
        samples=draw_samples((row.pair for row in listing.pairs()), config.data),
        findings=[(f, list(_exhibits(f, pairs, config.data))) for f in findings],
        most=_MOST_EXHIBITS,
    )
    write_text(str(path), page)


def _exhibits(finding: Finding, pairs: Mapping[str, Pair], data: DataConfig) -> Iterator[Exhibit]:
    keys = [key for key in finding.keys if key in pairs][:_MOST_EXHIBITS]
    for key in keys:
        pair = pairs[key]
        yield Exhibit(key, [_picture(pair.image, data), _picture_of_mask(pair.mask, data)])
    if not keys:
        for file in finding.where[:_MOST_EXHIBITS]:
            yield Exhibit(Path(file).name, [_picture(file, data)])


def _picture(path: str, data: DataConfig) -> str:
    try:
        return _address(Image.fromarray(load_image(read_bytes(path), path, data).pixels))
    except InputError:
        return ""


def _picture_of_mask(path: str, data: DataConfig) -> str:
    """Returns a picture of a mask as a `data:` URL; empty if the file cannot be read.

    The picture has the class colours if the mask matches the config; otherwise, it has the colours
    in the file.
    """
    try:
        class_ids = load_mask(read_bytes(path), path, data).class_ids
    except InputError:
        return _picture(path, data)
    return _address(Image.fromarray(colour_table()[class_ids]), Image.Resampling.NEAREST)


def _address(image: Image.Image, resample: Image.Resampling = Image.Resampling.BICUBIC) -> str:
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), resample)
    return picture_url(image)
