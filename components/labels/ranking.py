"""Ranks the masks of many pairs by how likely they are to be wrong, in one pass."""

import heapq
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

import imagecodecs
import numpy as np

from components.labels.scores import LabelScores, Mask, Probabilities, score_mask
from components.labels.verdicts import content_hash
from data.config import DataConfig
from data.errors import InputError
from data.examples.reading import ReadPair, read_pair
from data.listing.pair import Pair

Predict = Callable[[Pair, bytes], Probabilities]
"""Function that maps a pair and the bytes of its image (PNG or JPEG) to class probabilities,
float32 [height, width, C]. It raises InputError for an image that the model refuses."""


class RankedMask(NamedTuple):
    """A mask that the model contradicts.

    Attributes:
      pair: The pair.
      content: Hash of image and mask (see `content_hash`).
      scores: Scores of the mask, with at least one region.
    """

    pair: Pair
    content: str
    scores: LabelScores


class Ranking(NamedTuple):
    """The result of one pass over the pairs.

    Attributes:
      masks: The masks that the model contradicts, the most suspicious first.
      contradicted: Number of masks that the model contradicts; only the most suspicious of them are
        in `masks`.
      scored: Number of masks that were scored.
      judged: Number of pairs that were left out because a person has judged them.
      unusable: Number of pairs that were left out because they cannot be read or segmented.
    """

    masks: list[RankedMask]
    contradicted: int
    scored: int
    judged: int
    unusable: int


def rank_masks(
    pairs: Iterable[Pair], data: DataConfig, predict: Predict, judged: Container[str], most: int
) -> Ranking:
    """Scores the masks of pairs and keeps the most suspicious; memory depends only on `most`.

    Args:
      pairs: The pairs, which the model did not learn.
      data: The `data` section of the config.
      predict: Function that computes the class probabilities of an image.
      judged: Hashes (`content_hash`) of the pairs that a person has judged already.
      most: Maximum number of masks to keep.
    """
    kept: list[tuple[float, str, RankedMask]] = []  # a heap, the least suspicious first
    contradicted = scored = skipped = unusable = 0
    for pair in pairs:
        read = read_pair(pair, data)
        if read.record.problem is not None:
            unusable += 1
            continue
        content = content_hash(read)
        if content in judged:
            skipped += 1
            continue
        try:
            probabilities = predict(pair, read.image)
        except InputError:
            unusable += 1
            continue
        scored += 1
        scores = score_mask(probabilities, class_ids_of(read))
        if not scores.regions:
            continue
        contradicted += 1
        # Two pairs never compare as RankedMask, because their keys differ.
        heapq.heappush(kept, (scores.suspicion, pair.key, RankedMask(pair, content, scores)))
        if len(kept) > most:
            heapq.heappop(kept)
    masks = [ranked for *_, ranked in sorted(kept, key=lambda entry: (-entry[0], entry[1]))]
    return Ranking(masks, contradicted, scored, skipped, unusable)


def class_ids_of(read: ReadPair) -> Mask:
    """Returns the mask of a usable pair, uint8 [height, width], with 255 for ignored pixels."""
    class_ids: Mask = imagecodecs.png_decode(read.mask)
    return np.ascontiguousarray(class_ids.reshape(class_ids.shape[:2]))
