"""Ranks the masks of many pairs by how likely they are to be wrong, in one pass."""

import heapq
from collections.abc import Container, Iterable
from typing import NamedTuple

from components.labels.scores import LabelScores, Region


class ScoredMask(NamedTuple):
    """A mask that was compared with a model that did not learn it.

    Attributes:
      key: Key of the pair.
      split: Split of the pair.
      content: Hash of image and mask (see `components.labels.verdicts`).
      scores: Scores of the mask.
    """

    key: str
    split: str
    content: str
    scores: LabelScores


class WrongMask(NamedTuple):
    """A mask that the model contradicts.

    Attributes:
      mask: The mask and its scores.
      worst: The region with the highest score.
    """

    mask: ScoredMask
    worst: Region


class Ranking(NamedTuple):
    """The result of one pass over the masks.

    Attributes:
      masks: The masks that the model contradicts, the most suspicious first.
      contradicted: Number of masks that the model contradicts; only the most suspicious of them are
        in `masks`.
      scored: Number of masks that were scored.
      judged: Number of masks that were left out because a person has judged them.
    """

    masks: list[WrongMask]
    contradicted: int
    scored: int
    judged: int


def rank_masks(masks: Iterable[ScoredMask], judged: Container[str], most: int) -> Ranking:
    """Keeps the most suspicious masks; memory depends only on `most`.

    Args:
      masks: The masks, in any order.
      judged: Hashes of the pairs that a person has judged already.
      most: Maximum number of masks to keep.
    """
    kept: list[tuple[float, str, WrongMask]] = []  # a heap, the least suspicious first
    contradicted = scored = skipped = 0
    for mask in masks:
        if mask.content in judged:
            skipped += 1
            continue
        scored += 1
        if mask.scores.worst is None:
            continue
        contradicted += 1
        # Two masks never compare as WrongMask, because their keys differ.
        wrong = WrongMask(mask, mask.scores.worst)
        heapq.heappush(kept, (mask.scores.suspicion, mask.key, wrong))
        if len(kept) > most:
            heapq.heappop(kept)
    ranked = [mask for *_, mask in sorted(kept, key=lambda entry: (-entry[0], entry[1]))]
    return Ranking(ranked, contradicted, scored, skipped)
