import random

from data.errors import PairError
from data.faults import MOST_EXAMPLES, OTHER, Examples, Faults


def merged(kind, parts):
    whole = kind()
    for part in parts:
        whole = whole.merged(part)
    return whole


def shuffled(items, seed):
    items = list(items)
    random.Random(seed).shuffle(items)
    return items


def test_the_first_examples_are_kept_in_whatever_order_they_come():
    names = [f"{number:04d}" for number in range(3 * MOST_EXAMPLES)]
    results = []
    for seed in range(3):
        parts = [Examples() for _ in range(4)]
        for number, name in enumerate(shuffled(names, seed)):
            parts[number % 4].add(name, f"{name}.png", (name,))
        results.append(merged(Examples, shuffled(parts, seed)))
    for result in results:
        assert result.count == len(names)
        assert result.keys == tuple(names[:MOST_EXAMPLES])
        assert result.where == tuple(f"{name}.png" for name in names[:MOST_EXAMPLES])


def test_of_very_many_faults_the_last_are_counted_together_in_whatever_order_they_come():
    faults = [
        PairError(kind, f"{number}.png", f"reason {number % 150:03d}")
        for number in range(600)
        for kind in ("a", "b")
    ]
    results = []
    for seed in range(3):
        parts = [Faults() for _ in range(4)]
        for number, fault in enumerate(shuffled(faults, seed)):
            parts[number % 4].add(fault)
        results.append(merged(Faults, shuffled(parts, seed)))
    one, two, three = results
    assert one == two == three
    assert one.count == len(faults)
    assert one.examples["a"].keys() == {OTHER, *(f"reason {number:03d}" for number in range(100))}
    assert one.examples["b"].keys() == {OTHER}
    assert one.examples["a"]["reason 007"].where == ("157.png", "307.png", "457.png", "7.png")


def test_a_fault_of_a_pair_is_ordered_by_its_key():
    faults = Faults()
    faults.add(PairError("unreadable", "1.png", "cut off."), "b")
    faults.add(PairError("unreadable", "2.png", "cut off."), "a")
    examples = faults.examples["unreadable"]["cut off."]
    assert (examples.keys, examples.where) == (("a", "b"), ("2.png", "1.png"))
