"""Writes the page of `unetfx labels`, with pictures of the masks that may be wrong."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from components.labels.pairs import FindDoubts, class_ids_of, read_unchanged
from components.labels.pictures import CAPTIONS, draw_region
from components.labels.ranking import Ranking, WrongMask
from data.config import DataConfig
from data.examples.parsing import decode_image
from data.files.writing import write_text
from data.listing.pair import Pair
from pipeline.commands.page_templates import page_template
from pipeline.config.config import Config
from serving.data_url import picture_url
from serving.palette import class_marks

_MOST_SHOWN = 60  # pairs on the page


class Exhibit(NamedTuple):
    """Pictures of a mask that may be wrong.

    Attributes:
      wrong: The mask, and its worst region, which all pictures show.
      pictures: `data:` URLs of the image, the mask and the proposed mask, by the names of
        `CAPTIONS`.
      ids: `data:` URLs of the class ids of the two masks.
    """

    wrong: WrongMask
    pictures: Mapping[str, str]
    ids: Mapping[str, str]


def write_page(
    path: Path,
    config: Config,
    ranking: Ranking,
    pairs: Mapping[str, Pair],
    find_doubts: FindDoubts,
    scope: str,
) -> None:
    """Writes the most suspicious masks to a single HTML file, in which all pictures are embedded.

    Args:
      path: Path of the HTML file.
      config: The config of the pipeline.
      ranking: The masks. Their pairs are read and segmented again, to draw them.
      pairs: The pairs of the masks, by key.
      find_doubts: Function that compares a mask with a model.
      scope: Words for the pairs that were scored, such as `val and test`.

    Raises:
      InputError: The file cannot be written.
    """
    shown = ranking.masks[:_MOST_SHOWN]
    page = page_template("labels.html").render(
        name=config.name,
        classes=class_marks(config.data.classes),
        ranking=ranking,
        scope=scope,
        captions=CAPTIONS,
        exhibits=list(_exhibits(shown, pairs, config.data, find_doubts)),
    )
    write_text(str(path), page)


def _exhibits(
    masks: Iterable[WrongMask],
    pairs: Mapping[str, Pair],
    data: DataConfig,
    find_doubts: FindDoubts,
) -> Iterator[Exhibit]:
    for wrong in masks:
        read = read_unchanged(wrong.mask, pairs.get(wrong.mask.key), data)
        if read is None:
            continue
        image = decode_image(read.image, data.intensity_range).numpy()
        drawn = draw_region(image, class_ids_of(read.mask), find_doubts(read), wrong.worst)
        pictures = {name: picture_url(picture, "JPEG") for name, picture in drawn.pictures.items()}
        yield Exhibit(wrong, pictures, drawn.ids)
