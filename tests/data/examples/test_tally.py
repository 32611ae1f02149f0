from data.errors import PairError
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.tally import Tally
from data.listing.pair import Pair


def record(key, split, values=(0, 1), *, fractions=(0.5, 0.5), span=0, problem=None, labelled=1.0):
    pair = Pair(key, f"{key}.png", f"{key}m.png", key, "s", span, split)
    if problem:
        return Record(pair, None, PairError(problem, f"{key}m.png", "a reason."), values)
    facts = PairStatistics("", key, 4, 3, (0.0, 0.0, 0.0), 0.0, fractions, labelled, None)
    return Record(pair, facts, None, values)


RECORDS = [
    record("a", "train"),
    record("b", "train", fractions=(1.0, 0.0), span=2),
    record("c", "test", (0, 1, 255), labelled=0.5),
    record("d", "val", (), problem="unreadable", span=7),
    record("e", "val", (0, 5), problem="value_without_class"),
    record("f", "val", ("#ff0000",), problem="value_without_class"),
]


def tally(records):
    whole = Tally()
    for each in records:
        whole.add(each)
    return whole


def test_pairs_and_pixels_are_counted_by_split():
    counts = tally(RECORDS)
    assert counts.good == {"train": 2, "test": 1}
    assert counts.bad == {"val": 3}
    assert [dict(each.pixels) for each in counts.classes] == [
        {"train": 6 + 12, "test": 3},
        {"train": 6, "test": 3},
    ]
    assert counts.classes[1].splits == {"train": 1, "test": 1}
    assert counts.classes[1].pairs.keys == ("a", "c")
    assert counts.empty.keys == ("b",)
    assert counts.spans == {0, 2}
    assert counts.good_values == {0, 1, 255}
    assert counts.values == {False: {0, 1, 5, 255}, True: {"#ff0000"}}
    assert counts.unclear[True].keys == ("f",)
    assert counts.faults.examples["unreadable"]["a reason."].keys == ("d",)


def test_parts_may_be_merged_in_any_order():
    whole = tally(RECORDS)
    for number in range(len(RECORDS) + 1):
        one, two = RECORDS[:number], RECORDS[number:]
        assert tally(one).merged(tally(two)) == whole
        assert tally(two).merged(tally(one)) == whole


def test_of_very_many_pixel_values_the_first_are_kept():
    records = [record(str(n), "train", tuple(range(n, 65536, 300))) for n in range(300)]
    counts = tally(records)
    assert counts.values[False] == counts.good_values == set(range(4096))
