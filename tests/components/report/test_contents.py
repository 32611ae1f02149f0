import pytest

from components.report.contents import SplitContents
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.sources.pairs import Pair


def record(key, split, *, group, size, fractions, labelled=1.0):
    pair = Pair(key, "", "", group, "s", 0, split)
    facts = PairStatistics("", "", *size, (0.0, 0.0, 0.0), 0.0, fractions, labelled, None)
    return Record(pair, facts, None, ())


def test_shares_are_of_the_labelled_pixels_of_the_split():
    records = [
        record("a", "train", group="g", size=(10, 10), fractions=(1.0, 0.0)),
        record("b", "train", group="g", size=(20, 20), fractions=(0.0, 1.0), labelled=0.5),
        record("c", "test", group="h", size=(10, 10), fractions=(0.5, 0.5)),
    ]
    split = SplitContents.of("train", records, 2)
    assert (split.images, split.groups) == (2, 1)
    assert split.shares == pytest.approx([1 / 3, 2 / 3])


def test_a_split_may_be_empty():
    assert SplitContents.of("val", [], 2) == SplitContents(
        name="val", images=0, groups=0, shares=[0.0, 0.0]
    )
