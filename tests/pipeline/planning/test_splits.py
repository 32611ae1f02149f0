from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import Splits
from data.listing.pair import split_of_group, split_taken_from_train
from pipeline.planning.splits import shares_for, shares_from_train

GROUPS = st.sets(st.text(min_size=1, max_size=5), min_size=3, max_size=60)


@given(GROUPS)
def test_no_split_is_empty(groups):
    shares = shares_for(sorted(groups))
    if shares is None:
        assert len(groups) < 10
        return
    counts = Counter(split_of_group(group, shares) for group in groups)
    assert min(counts[split] for split in ("train", "val", "test")) >= max(1, len(groups) // 20)
    assert shares.train >= max(shares.val, shares.test)


def test_many_groups_have_the_default_shares():
    assert shares_for([f"{number}" for number in range(300)]) == Splits()


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "b"], ["a", "b", "a"]])
def test_fewer_than_three_groups_cannot_be_divided(groups):
    assert shares_for(groups) is None


@given(GROUPS, st.sampled_from([["val"], ["test"], ["val", "test"]]))
def test_train_gives_to_each_missing_split(groups, missing):
    share = shares_from_train(sorted(groups), missing)
    if share is None:
        assert len(groups) < 20
        return
    val, test = (share if split in missing else 0 for split in ("val", "test"))
    assert {split_taken_from_train(group, val, test) for group in groups} == {"train", *missing}
