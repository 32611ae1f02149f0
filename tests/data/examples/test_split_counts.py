from collections import Counter

from data.examples.batches import Ingested
from data.examples.repeats import Repeats
from data.examples.split_counts import count_splits
from data.examples.tally import ClassTally, Tally


def test_shares_are_of_the_labelled_pixels():
    tally = Tally(good=Counter(train=3), classes=[ClassTally(), ClassTally()])
    tally.classes[0].pixels["train"] = 30
    tally.classes[1].pixels["train"] = 10
    ingested = Ingested(tally, Repeats(groups=Counter(train=2)))
    train, val, _ = count_splits(ingested, ["ground", "disc"])
    assert (train.name, train.pairs, train.groups) == ("train", 3, 2)
    assert train.shares == [0.75, 0.25]
    assert (val.pairs, val.shares) == (0, [0.0, 0.0])


def test_without_a_usable_pair_every_class_has_no_pixel():
    for split in count_splits(Ingested(), ["ground", "disc"]):
        assert split.pixels == [0, 0]
