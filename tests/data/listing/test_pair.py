import json
from collections import Counter

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from tfx.components.example_gen.base_example_gen_executor import _PartitionFn
from tfx.proto import example_gen_pb2

from tests.data.finding import find, refusal

SPLITS = ("train", "val", "test")


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (None, ["p1/a_1", "p1/b_1", "p2/a_1"]),
        (r"^[^/]+", ["p1", "p1", "p2"]),
        (r"^(p\d)/", ["p1", "p1", "p2"]),
        (r"p(\d)/([ab])", ["1", "1", "2"]),
        (r"^(p2)|/(a)|/(b)", ["a", "b", "p2"]),
        (r"(x)?_1$", ["_1", "_1", "_1"]),
    ],
    ids=["none", "whole match", "group", "first of two", "alternatives", "group not taken"],
)
def test_group_of_a_pair(tmp_path, write_pairs, pattern, groups):
    write_pairs(tmp_path, "p1/a_1", "p1/b_1", "p2/a_1")
    assert [pair.group for pair in find(tmp_path, group=pattern).pairs] == groups


@pytest.mark.parametrize("pattern", [r"^p\d", "p*"])
def test_a_key_outside_the_group_expression_is_listed(tmp_path, write_pairs, pattern):
    write_pairs(tmp_path, "p1", "q1")  # `p*` has an empty match in q1, which is no group
    found = find(tmp_path, group=pattern)
    assert [pair.key for pair in found.pairs] == ["p1"]
    (problem,) = found.problems
    assert (problem.kind, problem.file) == ("no_group", f"{tmp_path}/images/q1.png")
    assert repr(pattern) in problem.reason


def test_a_group_expression_that_matches_no_pair_is_refused(tmp_path, write_pairs):
    write_pairs(tmp_path, "q1")
    message = refusal(tmp_path, group=r"^p\d")
    assert message.startswith("data.group: ")
    assert repr(r"^p\d") in message
    assert "'q1'" in message


# -- splits


GROUPS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, write_files):
    """Writes a manifest with one pair per group."""
    root = tmp_path_factory.mktemp("manifest")
    write_files(root, *(f"{kind}/{n}.png" for kind in ("images", "masks") for n in range(100)))

    def write(groups):
        rows = [
            {"image": f"images/{n}.png", "mask": f"masks/{n}.png", "group": group}
            for n, group in enumerate(groups)
        ]
        (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return {"kind": "manifest", "path": str(root / "pairs.jsonl")}

    return write


@given(groups=st.lists(GROUPS, min_size=1, max_size=8), shares=st.tuples(*[st.integers(1, 99)] * 3))
@example(groups=["a" * 119, "b" * 128, "é" * 64, "c" * 16384], shares=(7, 1, 2))
def test_groups_have_the_split_that_tfx_assigns(manifest, groups, shares):
    found = find("", source=manifest(groups), splits=dict(zip(SPLITS, shares, strict=True)))
    by_group = {pair.group: pair.split for pair in found.pairs}
    assert by_group.keys() == set(groups)
    buckets = [sum(shares[: n + 1]) for n in range(3)]
    config = example_gen_pb2.SplitConfig(partition_feature_name="group")
    for group, split in by_group.items():
        example = tf.train.Example()
        example.features.feature["group"].bytes_list.value.append(group.encode())
        assert split == SPLITS[_PartitionFn(example, 3, buckets, config)]


@given(
    old=st.lists(GROUPS, min_size=1, max_size=20),
    new=st.lists(GROUPS, min_size=1, max_size=20),
)
def test_a_split_follows_from_the_group_alone(manifest, old, new):
    before = find("", source=manifest(old)).pairs
    after = find("", source=manifest(old + new)).pairs
    splits = {pair.group: pair.split for pair in after}
    assert all(splits[pair.group] == pair.split for pair in before + after)


def test_shares_are_kept(manifest):
    pairs = find("", source=manifest([f"patient {n}" for n in range(100)])).pairs
    count = Counter(pair.split for pair in pairs)
    # Binomial of 100 pairs and 7, 1, 2 tenths: these bounds are more than 3 deviations away.
    assert 56 <= count["train"] <= 84
    assert 1 <= count["val"] <= 20
    assert 8 <= count["test"] <= 33


def test_a_part_of_train_is_taken_by_group(tmp_path, write_files):
    keys = [f"g{group}_{number}" for group in range(200) for number in range(2)]
    for kind in ("images", "masks"):
        write_files(tmp_path, *(f"train/{kind}/{key}.png" for key in keys))
    write_files(tmp_path, "test/images/t.png", "test/masks/t.png")
    found = find(
        tmp_path,
        source={"split_folders": True},
        group=r"g\d+|t$",
        take_val_from_train=0.1,
    )
    splits = {pair.group: set() for pair in found.pairs}
    for pair in found.pairs:
        splits[pair.group].add(pair.split)
    assert all(len(of_group) == 1 for of_group in splits.values())
    count = Counter(split for of_group in splits.values() for split in of_group)
    assert count["test"] == 1
    assert 10 <= count["val"] <= 30  # 20 are expected; the hash is always the same
    assert count.total() == 201
