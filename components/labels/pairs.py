"""Scores the masks of pairs of files, as the Evaluator scores those of examples."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import imagecodecs
import numpy as np

from components.labels.ranking import ScoredMask
from components.labels.scores import Mask, score_mask
from components.labels.verdicts import content_hash
from data.config import DataConfig
from data.errors import InputError
from data.examples.reading import ReadPair, read_pair
from data.examples.writing import make_example
from data.listing.pair import Pair
from serving.doubts import Doubts

FindDoubts = Callable[[ReadPair], Doubts]
"""Function that compares the mask of a usable pair with a model that did not learn it. It raises
InputError for an image that the model refuses."""


def score_pairs(
    pairs: Iterable[Pair], data: DataConfig, find_doubts: FindDoubts
) -> Iterator[ScoredMask]:
    """Scores the masks of pairs, one at a time.

    Args:
      pairs: The pairs, which the model did not learn.
      data: The `data` section of the config.
      find_doubts: Function that compares a mask with a model.

    Yields:
      The scored masks. Pairs that cannot be read or segmented are left out.
    """
    for pair in pairs:
        read = read_pair(pair, data)
        if read.record.problem is not None:
            continue
        try:
            doubts = find_doubts(read)
        except InputError:
            continue
        scores = score_mask(doubts, class_ids_of(read.mask))
        yield ScoredMask(pair.key, pair.split, content_hash(read.image, read.mask), scores)


def read_unchanged(mask: ScoredMask, pair: Pair | None, data: DataConfig) -> ReadPair | None:
    """Reads the pair of a scored mask; None if it was removed or changed since it was scored.

    Args:
      mask: The scored mask.
      pair: The pair with its key; None if there is none.
      data: The `data` section of the config.
    """
    if pair is None:
        return None
    read = read_pair(pair, data)
    if read.record.problem is not None or content_hash(read.image, read.mask) != mask.content:
        return None
    return read


def serialized(read: ReadPair, classes: Sequence[str]) -> bytes:
    """Returns the serialized tf.Example of a usable pair."""
    content: bytes = make_example(read, classes).SerializeToString()
    return content


def class_ids_of(mask_png: bytes) -> Mask:
    """Decodes a mask as it is stored in a tf.Example, uint8 [height, width], 255 where ignored."""
    class_ids: Mask = imagecodecs.png_decode(mask_png)
    return np.ascontiguousarray(class_ids.reshape(class_ids.shape[:2]))
