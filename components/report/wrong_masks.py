"""Chooses and draws the masks that may be wrong, for the report."""

from collections.abc import Container, Iterable
from pathlib import PurePosixPath

import tensorflow as tf

from components.labels.pairs import class_ids_of
from components.labels.pictures import draw_region
from components.labels.ranking import ScoredMask, WrongMask, rank_masks
from components.report.contents import WrongMaskCard, WrongMasks
from components.report.gallery import Save, find_examples
from data.examples import features
from data.examples.parsing import decode_image
from serving.model.loading import ServedModel

# Maximum number of masks that are drawn. The page shows fewer, so that others take the place of
# those that a person judges.
_MOST_DRAWN = 20


def draw_wrong_masks(
    masks: Iterable[ScoredMask],
    judged: Container[str],
    examples: Iterable[tf.train.Example],
    model: ServedModel,
    save: Save,
) -> WrongMasks:
    """Draws the most suspicious masks, each with its worst region.

    Args:
      masks: The scored masks of held-out images.
      judged: Hashes of the pairs that a person has judged already.
      examples: Examples of these images, which are read one at a time to save memory.
      model: The model, which segments the drawn images again.
      save: Function that writes a picture to a path relative to the report's folder.
    """
    ranking = rank_masks(masks, judged, _MOST_DRAWN)
    places = {wrong.mask.key: number for number, wrong in enumerate(ranking.masks)}
    cards = {}
    for key, example in find_examples(examples, places):
        place = places[key]
        cards[place] = _card(ranking.masks[place], place, example, model, save)
    return WrongMasks(
        contradicted=ranking.contradicted,
        scored=ranking.scored,
        judged=ranking.judged,
        cards=[cards[place] for place in sorted(cards)],
    )


def _card(
    wrong: WrongMask, place: int, example: tf.train.Example, model: ServedModel, save: Save
) -> WrongMaskCard:
    encoded, mask_png = (
        example.features.feature[name].bytes_list.value[0]
        for name in (features.IMAGE, features.MASK)
    )
    doubts = model.doubts(example.SerializeToString())
    drawing = draw_region(
        decode_image(encoded).numpy(), class_ids_of(mask_png), doubts, wrong.worst
    )
    folder = f"pictures/masks/{place}"
    for name, picture in drawing.pictures.items():
        save(str(PurePosixPath(folder, f"{name}.jpg")), picture)
    (key, split, content, scores), worst = wrong
    width, height = drawing.pictures["image"].size
    return WrongMaskCard(
        key=key,
        split=split,
        content=content,
        folder=folder,
        width=width,
        height=height,
        ids=drawing.ids,
        given=worst.given,
        probable=worst.probable,
        pixels=worst.pixels,
        confidence=worst.confidence,
        regions=scores.regions,
        quality=scores.quality,
    )
