from data.config import SPLITS
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.repeats import Repeats, find_repeats, repeat_rows
from data.faults import MOST_EXAMPLES
from data.jobs.shuffle import RowWriter
from data.listing.pair import Pair


def record(key, split, *, content=None, group=None, means=(0.0, 0.0, 0.0), std=50.0):
    pair = Pair(key, "", "", group or key, "s", 0, split)
    facts = PairStatistics("", content or key, 1, 1, means, std, (1.0,), 1.0, None)
    return Record(pair, facts, None, ())


def repeats(folder, records):
    writer = RowWriter(str(folder))
    for each in records:
        for name_hash, row in repeat_rows(each):
            writer.add(name_hash, row)
    found = Repeats()
    partitions = {}
    for partition, segment in writer.finish():
        partitions.setdefault(partition, []).append(segment)
    for segments in partitions.values():
        found = found.merged(find_repeats(segments))
    return found


def test_groups_are_counted_in_each_split(tmp_path):
    records = [record(f"{n}", "train", group=f"g{n % 3}") for n in range(9)]
    records += [record("t", "test"), record("u", "test", group="g0")]
    found = repeats(tmp_path, records)
    assert found.groups == {"train": 3, "test": 2}
    assert found.divided.where == ("g0 (train, test)",)
    assert found.divided.keys == ("0", "3", "6", "u")


def test_an_image_that_occurs_very_often_is_counted_and_its_first_pairs_are_named(tmp_path):
    keys = [f"{number:04d}" for number in range(1000)]
    found = repeats(tmp_path, [record(key, "train", content="black") for key in keys])
    assert found.within.count == 1
    (where,) = found.within.where
    assert where == f"{' = '.join(keys[:3])} and 997 more"
    assert found.within.keys == tuple(keys[:MOST_EXAMPLES])
    assert found.across.count == 0


def test_an_image_in_several_splits_names_them(tmp_path):
    found = repeats(tmp_path, [record("b", "test", content="x"), record("a", "train", content="x")])
    assert found.across.where == ("a (train) = b (test)",)
    assert found.within.count == 0


def test_copies_of_one_flat_colour_are_counted_apart(tmp_path):
    # Means of 0, 30 and 60 have a variance of 600, which is that of all values of a flat image.
    grey, blue = {"std": 0.0}, {"means": (0.0, 30.0, 60.0), "std": 600**0.5}
    records = [record(f"g{n}", split, content="grey", **grey) for n, split in enumerate(SPLITS)]
    records += [record(f"b{n}", "train", content="blue", **blue) for n in range(5)]
    found = repeats(tmp_path, records)
    assert found.flat.where == (
        "b0 = b1 = b2 and 2 more",
        "g0 (train) = g1 (val) = g2 (test)",
    )
    assert (found.across.count, found.within.count) == (0, 0)
