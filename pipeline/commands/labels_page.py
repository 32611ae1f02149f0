"""Writes the page of `unetfx labels`, with pictures of the masks that may be wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from components.labels.ranking import Predict, RankedMask, Ranking, class_ids_of
from components.labels.scores import Mask, Region, doubtful_classes, proposed_mask
from data.config import IGNORE
from data.examples.parsing import decode_image
from data.examples.reading import read_pair
from data.files.writing import write_text
from pipeline.commands.page_templates import page_template
from pipeline.config.config import Config
from serving.data_url import picture_url
from serving.overlay import layer
from serving.palette import class_marks

_MOST_SHOWN = 60  # pairs on the page
_SIDE = 256  # longer side of a picture in pixels
_CONTEXT = 96  # pixels around the region that a picture shows at least
_Pixels = npt.NDArray[np.uint8]


class Exhibit(NamedTuple):
    """Pictures of a mask that may be wrong.

    Attributes:
      ranked: The mask and its scores.
      worst: The region with the highest score, which all pictures show.
      pictures: Captions and `data:` URLs of the image, the mask and the proposed mask.
    """

    ranked: RankedMask
    worst: Region
    pictures: Sequence[tuple[str, str]]


def write_page(path: Path, config: Config, ranking: Ranking, predict: Predict, scope: str) -> None:
    """Writes the most suspicious masks to a single HTML file, in which all pictures are embedded.

    Args:
      path: Path of the HTML file.
      config: The config of the pipeline.
      ranking: The masks. Their pairs are read and segmented again, to draw them.
      predict: Function that computes the class probabilities of an image.
      scope: Words for the pairs that were scored, such as `val and test`.

    Raises:
      InputError: The file cannot be written.
    """
    exhibits = [
        exhibit
        for ranked in ranking.masks[:_MOST_SHOWN]
        if (exhibit := _exhibit(ranked, config, predict))
    ]
    page = page_template("labels.html").render(
        name=config.name,
        classes=class_marks(config.data.classes),
        ranking=ranking,
        scope=scope,
        exhibits=exhibits,
    )
    write_text(str(path), page)


def _exhibit(ranked: RankedMask, config: Config, predict: Predict) -> Exhibit | None:
    read = read_pair(ranked.pair, config.data)
    if read.record.problem is not None:  # the files have changed since they were scored
        return None
    image = decode_image(read.image, config.data.intensity_range).numpy()
    class_ids, probabilities = class_ids_of(read), predict(ranked.pair, read.image)
    worst = ranked.scores.regions[0]
    window = _window(worst, class_ids.shape)
    outline = _outline(doubtful_classes(probabilities, class_ids)[window])
    photo, drawn = image[window], class_ids[window]
    proposed = proposed_mask(probabilities, class_ids)[window]
    pictures = [
        ("image, with the region marked", _address(photo, None, outline)),
        ("mask", _address(photo, drawn, outline)),
        ("what the model expects", _address(photo, proposed, outline)),
    ]
    return Exhibit(ranked, worst, pictures)


def _window(region: Region, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Returns the part of the image to show: the region, with as much around it."""
    margin = max(_CONTEXT, region.bottom - region.top, region.right - region.left)
    return (
        slice(max(region.top - margin, 0), min(region.bottom + margin, shape[0])),
        slice(max(region.left - margin, 0), min(region.right + margin, shape[1])),
    )


def _outline(doubts: Mask) -> npt.NDArray[np.bool_]:
    marked = doubts != IGNORE
    return marked & ~ndimage.binary_erosion(marked)


def _address(photo: _Pixels, class_ids: Mask | None, outline: npt.NDArray[np.bool_]) -> str:
    """Returns the picture of an image, a mask over it and an outline as a `data:` URL."""
    height, width = outline.shape
    factor = _SIDE / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    picture = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    if class_ids is not None:
        ids = Image.fromarray(class_ids).resize(size, Image.Resampling.NEAREST)
        picture.alpha_composite(layer(np.asarray(ids)))
    line = np.asarray(Image.fromarray(outline).resize(size, Image.Resampling.NEAREST))
    # White on black, so that the line shows on any image.
    pixels = np.array(picture.convert("RGB"))
    pixels[ndimage.binary_dilation(line, iterations=2)] = 0
    pixels[line] = 255
    return picture_url(Image.fromarray(pixels), "JPEG")
