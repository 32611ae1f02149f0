"""Chooses shares of the splits that leave no split empty, however few the groups are."""

import itertools
from collections import Counter
from collections.abc import Sequence

from data.config import SPLITS, Splits
from data.listing.pair import split_of_group, split_taken_from_train

_USUAL = [(7, 1, 2), (6, 1, 1), (4, 1, 1), (3, 1, 1), (2, 1, 1), (1, 1, 1)]
_FEW = 3
_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_MOST = 12  # greatest number in an unusual ratio


def shares_for(groups: Sequence[str]) -> Splits | None:
    """Returns shares with which each split has at least one group, and three of thirty or more.

    Args:
      groups: Group of each pair, or its key where there are no groups.

    Returns:
      The default shares if they leave no split empty, otherwise the most usual ones that do not.
      None if there are no such shares, as with fewer than three groups.
    """
    distinct = sorted(set(groups))
    if len(distinct) < len(SPLITS):
        return None
    fewest = max(1, min(_FEW, len(distinct) // 10))
    # In unusual ratios, train is still at least as large as the others.
    others = (
        ratio for ratio in itertools.product(range(1, _MOST), repeat=3) if max(ratio) == ratio[0]
    )
    for ratio in itertools.chain(_USUAL, others):
        shares = Splits(**dict(zip(SPLITS, ratio, strict=True)))
        counts = Counter(split_of_group(group, shares) for group in distinct)
        if all(counts[split] >= fewest for split in SPLITS):
            return shares
    return None


def shares_from_train(groups: Sequence[str], missing: Sequence[str]) -> float | None:
    """Returns the smallest usual share of train with which no missing split is empty.

    Args:
      groups: Group of each pair in train, or its key where there are no groups.
      missing: The splits to take from train: `val`, `test` or both.

    Returns:
      The share for each of the splits; None if each share leaves a split empty.
    """
    for share in _SHARES:
        val, test = (share if split in missing else 0 for split in SPLITS[1:])
        if val + test < 1:
            present = {split_taken_from_train(group, val, test) for group in set(groups)}
            if present == {"train", *missing}:
                return share
    return None
