import pytest

from components.report.contents import SplitContents
from data.examples.split_counts import SplitCounts


def test_shares_are_of_the_labelled_pixels_of_the_split():
    split = SplitContents.of(SplitCounts(name="train", pairs=2, groups=1, pixels=[100, 200]))
    assert (split.images, split.groups) == (2, 1)
    assert split.shares == pytest.approx([1 / 3, 2 / 3])


def test_a_split_may_be_empty():
    counts = SplitCounts(name="val", pairs=0, groups=0, pixels=[0, 0])
    assert SplitContents.of(counts) == SplitContents(
        name="val", images=0, groups=0, shares=[0.0, 0.0]
    )
